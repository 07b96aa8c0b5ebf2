import type { Connection, TokenManager } from '@hq-oauth/core';
import type { ErrorRequestHandler, Request, RequestHandler } from 'express';
import { describe, expectTypeOf, it } from 'vitest';
import type { HighQOptions, highq, highqErrors, highqHealth, highqProxy, requireHighQ } from './index.ts';

describe('a program in TypeScript', () => {
  it('finds the connection on each request without a cast', () => {
    expectTypeOf<Request['highq']>().toEqualTypeOf<Connection>();
    expectTypeOf<Request<{ id: string }, number>['highq']['client']>().toEqualTypeOf<Connection['client']>();
  });

  it('mounts what there is', () => {
    expectTypeOf<ReturnType<typeof highq>>().toEqualTypeOf<RequestHandler>();
    expectTypeOf<ReturnType<typeof requireHighQ>>().toEqualTypeOf<RequestHandler>();
    expectTypeOf<ReturnType<typeof highqProxy>>().toEqualTypeOf<RequestHandler>();
    expectTypeOf<ReturnType<typeof highqHealth>>().toEqualTypeOf<RequestHandler>();
    expectTypeOf<ReturnType<typeof highqErrors>>().toEqualTypeOf<ErrorRequestHandler>();
  });

  it("gives its functions Express's request", () => {
    expectTypeOf<Extract<HighQOptions['connectionId'], (...args: never[]) => unknown>>()
      .parameter(0)
      .toEqualTypeOf<Request>();
    expectTypeOf<TokenManager>().toExtend<HighQOptions['manager']>();
    expectTypeOf<HighQOptions>().not.toHaveProperty('session');
  });
});
