import type { Connection } from '@hq-oauth/core';
import Koa, { type Context, type Middleware, type ParameterizedContext } from 'koa';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { highqErrors, requireHighQ } from './index.ts';

describe('a program in TypeScript', () => {
  it('finds the connection on each context without a cast', () => {
    expectTypeOf<Context['highq']>().toEqualTypeOf<Connection>();
    expectTypeOf<
      ParameterizedContext<{ userId: string }, { own: number }>['highq']
    >().toEqualTypeOf<Connection>();
    expectTypeOf(requireHighQ()).toExtend<Middleware>();
  });

  it('mounts them on an application with a state and a context of its own', () => {
    const app = new Koa<{ userId?: string }, { own: number }>();
    app.use(highqErrors()).use(requireHighQ());
    app.use((ctx) => expectTypeOf(ctx.highq.client).toEqualTypeOf<Connection['client']>());
    expect(app.middleware).toHaveLength(3);
  });
});
