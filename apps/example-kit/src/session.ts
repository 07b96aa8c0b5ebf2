import { createHmac, timingSafeEqual } from 'node:crypto';
import { type FirmUser, firmUser } from './firm-users.ts';

const LIFE_MS = 12 * 3_600_000;

export interface SessionOptions {
  /** Signs the cookie. */
  readonly sessionSecret: string;
  /** Where browsers reach the program: a session of one address is none of another. */
  readonly publicUrl: string;
}

/** A session in a signed cookie: who signed in to the program, and until when. HighQ's tokens are never in it. */
export interface SignedSession {
  /** Whom a `Cookie` header names. */
  userIn(cookies: string | undefined): FirmUser | null;
  /** The `Set-Cookie` header with which a session begins. */
  begin(user: FirmUser): string;
  /** The one with which it ends. */
  end(): string;
}

export function signedSession({ sessionSecret, publicUrl }: SessionOptions): SignedSession {
  const secure = publicUrl.startsWith('https:');
  const name = secure ? '__Host-matters' : 'matters';
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  const sign = (text: string): Buffer =>
    createHmac('sha256', sessionSecret).update(`${publicUrl} ${text}`).digest();

  return {
    userIn(cookies = '') {
      const pairs = cookies.split(';').map((pair) => pair.trim());
      const value = pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
      const [id = '', until = '', signature = ''] = value.split('.');
      const given = Buffer.from(signature, 'base64url');
      const right = sign(`${id}.${until}`);
      if (given.length !== right.length || !timingSafeEqual(given, right)) return null;
      return Number(until) > Date.now() ? firmUser(id) : null;
    },
    begin(user) {
      const value = `${user.id}.${Date.now() + LIFE_MS}`;
      const signature = sign(value).toString('base64url');
      return `${name}=${value}.${signature}; Max-Age=${LIFE_MS / 1000}; ${attributes}`;
    },
    end: () => `${name}=; Max-Age=0; ${attributes}`,
  };
}
