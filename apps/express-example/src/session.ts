import { type FirmUser, type SessionOptions, sentFromHere, signedSession } from 'example-kit';
import type { Request, RequestHandler, Response } from 'express';

/** Who is signed in to this program, by a signed cookie. HighQ's tokens are never in it. */
export interface Sessions {
  userOf(req: Request): FirmUser | null;
  begin(res: Response, user: FirmUser): void;
  end(res: Response): void;
  /** Lets in the people of the firm; leads everybody else to the sign-in. */
  readonly firmOnly: RequestHandler;
  /** Whether a form was sent from a page of this program. */
  sentFromHere(req: Request): boolean;
}

export function createSessions(options: SessionOptions): Sessions {
  const session = signedSession(options);
  const userOf = (req: Request): FirmUser | null => session.userIn(req.headers.cookie);
  return {
    userOf,
    begin: (res, user) => void res.append('Set-Cookie', session.begin(user)),
    end: (res) => void res.append('Set-Cookie', session.end()),
    firmOnly(req, res, next) {
      if (userOf(req)) return next();
      const to = req.method === 'GET' ? req.originalUrl : '/';
      res.redirect(303, `/login?to=${encodeURIComponent(to)}`);
    },
    sentFromHere: (req) => sentFromHere(req.headers, options.publicUrl),
  };
}
