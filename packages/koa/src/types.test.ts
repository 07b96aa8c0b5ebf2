import type { Connection } from '@hq-oauth/core';
import Koa, { type Context, type Middleware, type ParameterizedContext } from 'koa';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { type HighQOptions, highqErrors, type highqHealth, highqProxy, requireHighQ } from './index.ts';

describe('a program in TypeScript', () => {
  it('finds the connection on each context without a cast', () => {
    expectTypeOf<Context['highq']>().toEqualTypeOf<Connection>();
    expectTypeOf<
      ParameterizedContext<{ userId: string }, { own: number }>['highq']
    >().toEqualTypeOf<Connection>();
    expectTypeOf(requireHighQ()).toExtend<Middleware>();
    expectTypeOf<ReturnType<typeof highqHealth>>().toEqualTypeOf<Middleware>();
  });

  it("gives its functions Koa's context", () => {
    expectTypeOf<Extract<HighQOptions['connectionId'], (...args: never[]) => unknown>>()
      .parameter(0)
      .toEqualTypeOf<Context>();
  });

  it('mounts them on an application with a state and a context of its own', () => {
    const app = new Koa<{ userId?: string }, { own: number }>();
    app.use(highqErrors()).use(requireHighQ());
    app.use(highqProxy({ path: '/highq-api', allow: ({ method }) => method === 'GET' }));
    app.use((ctx) => expectTypeOf(ctx.highq.client).toEqualTypeOf<Connection['client']>());
    expect(app.middleware).toHaveLength(4);
  });
});
