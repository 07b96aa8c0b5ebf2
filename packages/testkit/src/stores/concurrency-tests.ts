import type { CasResult, StoreRow } from '@hq-oauth/core';
import { describe, expect, it } from 'vitest';
import { findViolations, raceOnCounters } from './cas-history.ts';
import { grant, REGISTRATION, type StoreBench, value } from './store-bench.ts';

const OPERATIONS = 10_000;
const WORKERS = 500;
const COUNTERS = Array.from({ length: 25 }, (_, index) => `counter ${index}`);
const TIMEOUT_MS = 120_000;

/** Many writers at once. */
export function concurrencyTests({ name, openTwo }: StoreBench): void {
  describe('concurrency', () => {
    it(
      `${name}: lets exactly one of 1,000 simultaneous writers win each revision`,
      async () => {
        const handles = await openTwo();
        let current: number | null = null;
        for (let round = 0; round < 5; round += 1) {
          const expectedRev: number | null = current;
          const results: CasResult[] = await Promise.all(
            Array.from({ length: 1000 }, (_, writer) => {
              const body = JSON.stringify({ round, writer });
              return handles[writer % 2 === 0 ? 0 : 1].cas(grant('u'), expectedRev, value({ body }));
            }),
          );
          const winners = results.flatMap((result, writer) =>
            result.ok ? [{ writer, rev: result.rev }] : [],
          );
          expect(winners).toHaveLength(1);
          const [winner = { writer: -1, rev: 0 }] = winners;
          expect(winner.rev).toBeGreaterThan(expectedRev ?? 0);
          current = winner.rev;
          const body = JSON.stringify({ round, writer: winner.writer });
          const expected = { ...value({ body }), rev: winner.rev };
          // Each refusal came after the winner, so the winner is what it met.
          for (const result of results) if (!result.ok) expect(result.row).toEqual(expected);
          for (const handle of handles) expect((await handle.read(grant('u'))).row).toEqual(expected);
        }
      },
      TIMEOUT_MS,
    );

    it(
      `${name}: 10,000 concurrent compare-and-sets make a linearizable history`,
      async () => {
        const handles = await openTwo();
        const histories = await Promise.all(
          Array.from({ length: WORKERS }, (_, index) =>
            raceOnCounters(handles[index % 2 === 0 ? 0 : 1], {
              registration: REGISTRATION,
              counters: COUNTERS.map((_counter, shift) => COUNTERS[(index + shift) % COUNTERS.length] ?? ''),
              until: { attempts: OPERATIONS / WORKERS },
              worker: String(index),
            }),
          ),
        );
        const finalRows = new Map<string, StoreRow | null>();
        for (const counter of COUNTERS) finalRows.set(counter, (await handles[1].read(grant(counter))).row);
        const history = histories.flat();
        // The first few will do: thousands would take minutes to print.
        expect(findViolations(history, finalRows).slice(0, 10)).toEqual([]);
        expect(history).toHaveLength(2 * OPERATIONS);
        // Each round of simultaneous attempts has a winner: a store that refused everyone would pass the rest.
        const wins = history.filter(({ kind }) => kind === 'won').length;
        expect(wins).toBeGreaterThanOrEqual(OPERATIONS / WORKERS);
      },
      TIMEOUT_MS,
    );
  });
}
