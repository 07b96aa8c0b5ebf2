import fc from 'fast-check';
import { expect, it } from 'vitest';
import { call, postRefresh, signIn, startEmulator, tokensOf } from './emulator.fixture.ts';

/** What the model knows of one pair. */
interface Pair {
  access: string;
  refresh: string;
  issuedAt: number;
  family: number;
  spent: boolean;
}

const LIFE_MS = 18_000_000;
const STEPS_MS = [0, 1, LIFE_MS - 1, LIFE_MS, 30 * 86_400_000, 200 * 86_400_000];
const YEAR_MS = 365 * 86_400_000;

const step = fc.oneof(
  fc.record({ type: fc.constant('signIn' as const) }),
  fc.record({ type: fc.constant('refresh' as const), pick: fc.nat(50) }),
  fc.record({ type: fc.constant('call' as const), pick: fc.nat(50) }),
  fc.record({ type: fc.constant('advance' as const), ms: fc.constantFrom(...STEPS_MS) }),
);

it('answers any sequence of sign-ins, refreshes, calls and pauses as the plain rules say', async () => {
  const emulator = await startEmulator();
  const reuses = fc.constantFrom('refused' as const, 'family-revoked' as const);
  const ends = fc.constantFrom('survives' as const, 'ends' as const);
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      reuses,
      ends,
      async (steps, reuse, previousAccessToken) => {
        emulator.reset();
        emulator.switches.set({ reuse, previousAccessToken });
        const pairs: Pair[] = [];
        const revoked = new Set<number>();
        let families = 0;
        let refreshes = 0;
        for (const action of steps) {
          const now = emulator.clock.now();
          if (action.type === 'advance') {
            emulator.clock.advance(action.ms);
            continue;
          }
          if (action.type === 'signIn') {
            const tokens = await signIn(emulator);
            families += 1;
            pairs.push({
              access: tokens.access_token,
              refresh: tokens.refresh_token,
              issuedAt: now,
              family: families,
              spent: false,
            });
            continue;
          }
          const pair = pairs[action.pick % Math.max(1, pairs.length)];
          if (!pair) continue;
          const age = now - pair.issuedAt;
          const alive = !revoked.has(pair.family);
          if (action.type === 'call') {
            const good = alive && age < LIFE_MS && !(pair.spent && previousAccessToken === 'ends');
            expect((await call(emulator, pair.access)).status).toBe(good ? 200 : 403);
            continue;
          }
          const response = await postRefresh(emulator, pair.refresh);
          const good = alive && !pair.spent && age < YEAR_MS;
          expect(response.status).toBe(good ? 200 : 400);
          if (good) {
            const tokens = await tokensOf(response);
            pair.spent = true;
            refreshes += 1;
            pairs.push({
              access: tokens.access_token,
              refresh: tokens.refresh_token,
              issuedAt: now,
              family: pair.family,
              spent: false,
            });
          } else if (pair.spent && reuse === 'family-revoked') revoked.add(pair.family);
        }
        expect(emulator.ledger.refreshes()).toBe(refreshes);
        const issued = emulator.ledger.filter({ kind: 'issued' }).map(({ token }) => token);
        expect(new Set(issued).size).toBe(issued.length);
      },
    ),
    { numRuns: 60 },
  );
});
