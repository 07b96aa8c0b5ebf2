import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  Inject,
  Injectable,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import { type FirmUser, firmUser } from './firm-users.ts';

const LIFE_MS = 12 * 3_600_000;

export interface SessionSettings {
  /** Signs the session cookie. */
  readonly sessionSecret: string;
  readonly publicUrl: string;
}
export const SESSION_SETTINGS = Symbol('session settings');

/** A session in a signed cookie: who signed in to this program, and until when. HighQ's tokens are never in it. */
@Injectable()
export class Sessions {
  readonly #settings: SessionSettings;

  constructor(@Inject(SESSION_SETTINGS) settings: SessionSettings) {
    this.#settings = settings;
  }

  userOf(req: Request): FirmUser | null {
    const [id = '', until = '', signature = ''] = cookieOf(req, this.#name).split('.');
    const given = Buffer.from(signature, 'base64url');
    const right = this.#sign(`${id}.${until}`);
    if (given.length !== right.length || !timingSafeEqual(given, right)) return null;
    return Number(until) > Date.now() ? firmUser(id) : null;
  }

  begin(res: Response, user: FirmUser): void {
    const value = `${user.id}.${Date.now() + LIFE_MS}`;
    const signature = this.#sign(value).toString('base64url');
    res.cookie(this.#name, `${value}.${signature}`, { ...this.#attributes, maxAge: LIFE_MS });
  }

  end(res: Response): void {
    res.clearCookie(this.#name, this.#attributes);
  }

  /** Whether a form was sent from a page of this program. Browsers say so, and a page elsewhere cannot. */
  sentFromHere(req: Request): boolean {
    const site = req.get('sec-fetch-site');
    if (site !== undefined) return site === 'same-origin' || site === 'none';
    return req.get('origin') === this.#settings.publicUrl;
  }

  get #secure(): boolean {
    return this.#settings.publicUrl.startsWith('https:');
  }

  get #name(): string {
    return this.#secure ? '__Host-matters' : 'matters';
  }

  get #attributes() {
    return { path: '/', httpOnly: true, sameSite: 'lax', secure: this.#secure } as const;
  }

  #sign(text: string): Buffer {
    return createHmac('sha256', this.#settings.sessionSecret).update(text).digest();
  }
}

/** Nobody of the firm is signed in: the failure filter leads to the sign-in. */
export class SignInFirst extends Error {}

/** Lets in the people of the firm. */
@Injectable()
export class FirmGuard implements CanActivate {
  readonly #sessions: Sessions;

  constructor(@Inject(Sessions) sessions: Sessions) {
    this.#sessions = sessions;
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.#sessions.userOf(context.switchToHttp().getRequest<Request>())) return true;
    throw new SignInFirst();
  }
}

/** Lets in forms of this program's own pages. */
@Injectable()
export class OwnFormGuard implements CanActivate {
  readonly #sessions: Sessions;

  constructor(@Inject(Sessions) sessions: Sessions) {
    this.#sessions = sessions;
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.#sessions.sentFromHere(context.switchToHttp().getRequest<Request>())) return true;
    throw new ForbiddenException('This form was sent from another site.');
  }
}

function cookieOf(req: Request, name: string): string {
  const pairs = (req.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
}
