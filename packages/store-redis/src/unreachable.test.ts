import { expect, it } from 'vitest';
import { redisStore } from './redis-store.ts';

it('a server that none of its addresses reaches is told of by the first of them', async () => {
  const refused = new AggregateError(
    [new Error('connect ECONNREFUSED ::1:6379'), new Error('connect ECONNREFUSED 127.0.0.1:6379')],
    '',
  );
  const fail = () => Promise.reject(refused);
  const error = await redisStore({ client: { evalSha: fail, eval: fail } })
    .now()
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'store_unavailable',
    message: expect.stringContaining('connect ECONNREFUSED ::1:6379'),
  });
});
