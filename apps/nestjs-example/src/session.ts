import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  Inject,
  Injectable,
} from '@nestjs/common';
import {
  type FirmUser,
  type SessionOptions,
  type SignedSession,
  sentFromHere,
  signedSession,
} from 'example-kit';
import type { Request, Response } from 'express';

export const SESSION_OPTIONS = Symbol('session options');

/** Who is signed in to this program, by a signed cookie. HighQ's tokens are never in it. */
@Injectable()
export class Sessions {
  readonly #session: SignedSession;
  readonly #publicUrl: string;

  constructor(@Inject(SESSION_OPTIONS) options: SessionOptions) {
    this.#session = signedSession(options);
    this.#publicUrl = options.publicUrl;
  }

  userOf(req: Request): FirmUser | null {
    return this.#session.userIn(req.headers.cookie);
  }

  begin(res: Response, user: FirmUser): void {
    res.append('Set-Cookie', this.#session.begin(user));
  }

  end(res: Response): void {
    res.append('Set-Cookie', this.#session.end());
  }

  /** Whether a form was sent from a page of this program. */
  sentFromHere(req: Request): boolean {
    return sentFromHere(req.headers, this.#publicUrl);
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
