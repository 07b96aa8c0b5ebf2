import { expect, it } from 'vitest';
import { postgresStore } from './postgres-store.ts';

it('a server that none of its addresses reaches is told of by the first of them', async () => {
  const refused = new AggregateError(
    [new Error('connect ECONNREFUSED ::1:5432'), new Error('connect ECONNREFUSED 127.0.0.1:5432')],
    '',
  );
  const store = postgresStore({ pool: { connect: () => Promise.reject(refused) } });
  const error = await store.now().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'store_unavailable',
    message: expect.stringContaining('connect ECONNREFUSED ::1:5432'),
  });
});
