import { describe, expect, it } from 'vitest';
import { CallMemory } from './call-memory.ts';
import { askCanary } from './canary.ts';

const HOUR = 3_600_000;

describe('askCanary', () => {
  it('F64 F66 answers for the token that it was sent with, and for no other', async () => {
    const memory = new CallMemory();
    memory.trustedOn = 1;
    const sent: number[] = [];
    const first = Promise.withResolvers<number>();
    const ask = (generation: number, status: Promise<number> | number) =>
      askCanary(
        memory,
        memory.next(),
        { epoch: 1, generation, ageMs: HOUR },
        {
          async send() {
            sent.push(generation);
            return { status: await status, contentType: 'application/json' };
          },
          struckOff: () => undefined,
        },
      );
    const earlier = ask(1, first.promise);
    // While that one is on its way the token is renewed, and calls with the old and the new one are refused.
    const old = [ask(1, 403), ask(1, 403)];
    const renewed = [ask(2, 200), ask(2, 200)];
    first.resolve(503);
    expect(await Promise.all([earlier, ...old, ...renewed])).toEqual([
      'inconclusive',
      'refused',
      'refused',
      'allowed',
      'allowed',
    ]);
    expect(sent).toEqual([1, 1, 2]);
  });
});
