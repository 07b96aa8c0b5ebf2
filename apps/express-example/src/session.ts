import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Request, Response } from 'express';
import { type FirmUser, firmUser } from './firm-users.ts';

const LIFE_MS = 12 * 3_600_000;

/** A session in a signed cookie: who signed in to this program, and until when. HighQ's tokens are never in it. */
export interface Sessions {
  userOf(req: Request): FirmUser | null;
  begin(res: Response, user: FirmUser): void;
  end(res: Response): void;
}

export function createSessions({ secret, secure }: { secret: string; secure: boolean }): Sessions {
  const name = secure ? '__Host-matters' : 'matters';
  const attributes = { path: '/', httpOnly: true, sameSite: 'lax', secure } as const;
  const sign = (text: string): Buffer => createHmac('sha256', secret).update(text).digest();

  return {
    userOf(req) {
      const [id = '', until = '', signature = ''] = cookieOf(req, name).split('.');
      const given = Buffer.from(signature, 'base64url');
      const right = sign(`${id}.${until}`);
      if (given.length !== right.length || !timingSafeEqual(given, right)) return null;
      return Number(until) > Date.now() ? firmUser(id) : null;
    },
    begin(res, user) {
      const value = `${user.id}.${Date.now() + LIFE_MS}`;
      res.cookie(name, `${value}.${sign(value).toString('base64url')}`, { ...attributes, maxAge: LIFE_MS });
    },
    end(res) {
      res.clearCookie(name, attributes);
    },
  };
}

function cookieOf(req: Request, name: string): string {
  const pairs = (req.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
}

/** Whether a form was sent from a page of this program. Browsers say so, and a page elsewhere cannot. */
export function sentFromHere(req: Request, publicUrl: string): boolean {
  const site = req.get('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  return req.get('origin') === publicUrl;
}
