import { type FirmUser, type SignedSession, sentFromHere, signedSession } from 'example-kit';
import type { Context, Middleware } from 'koa';
import type { Instances } from './instances.ts';

/** Who is signed in to this program, by a signed cookie: at each host anew. HighQ's tokens are never in it. */
export interface Sessions {
  userOf(ctx: Context): FirmUser | null;
  begin(ctx: Context, user: FirmUser): void;
  end(ctx: Context): void;
  /** Lets in the people of the firm; leads everybody else to the sign-in. */
  readonly firmOnly: Middleware;
  /** Whether a form was sent from a page of this program, at the same host. */
  sentFromHere(ctx: Context): boolean;
}

export function createSessions(instances: Instances, sessionSecret: string): Sessions {
  const sessionAt = (ctx: Context): SignedSession =>
    signedSession({ sessionSecret, publicUrl: instances.of(ctx).publicUrl });
  const userOf = (ctx: Context): FirmUser | null => sessionAt(ctx).userIn(ctx.get('cookie'));
  return {
    userOf,
    begin: (ctx, user) => ctx.append('Set-Cookie', sessionAt(ctx).begin(user)),
    end: (ctx) => ctx.append('Set-Cookie', sessionAt(ctx).end()),
    async firmOnly(ctx, next) {
      if (userOf(ctx)) return next();
      const to = ctx.method === 'GET' ? ctx.originalUrl : '/';
      seeOther(ctx, `/login?to=${encodeURIComponent(to)}`);
    },
    sentFromHere: (ctx) => sentFromHere(ctx.headers, instances.of(ctx).publicUrl),
  };
}

export function seeOther(ctx: Pick<Context, 'status' | 'redirect'>, to: string): void {
  ctx.status = 303;
  ctx.redirect(to);
}
