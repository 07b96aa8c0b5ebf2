import { expect, it, vi } from 'vitest';
import type { CrashProcess } from './crash-process.ts';
import { CrashStage, userOf } from './crash-stage.ts';
import type { CrashPlace, CrashSuiteOptions, FallBackPlace } from './options.ts';
import type { CallResult } from './worker.ts';

const PROCESSES = 8;
const CALLERS = 125;
const TIMEOUT_MS = 300_000;
const REVALIDATE_MS = 30_000;
const SECOND_MS = 1_000;

/** What all of several processes must know of a grant that has ended. */
export function herdTests(options: CrashSuiteOptions, rounds: number): void {
  const { name } = options;
  const open = async (): Promise<CrashPlace | FallBackPlace> =>
    options.fallBack ? options.fallBack() : options.create();

  it(
    `F15 F108 ${name}: a grant that ended on one of ${PROCESSES} processes has ended on all, also when the store falls back`,
    async () => {
      for (let round = 0; round < rounds; round += 1) await endOnAll(await open());
    },
    TIMEOUT_MS * rounds,
  );

  async function endOnAll(place: CrashPlace | FallBackPlace): Promise<void> {
    const switches = { refusal: 'xml-400' } as const;
    const stage = await CrashStage.open(options, ['left', 'dead'], { place, switches });
    try {
      const herd = await Promise.all(Array.from({ length: PROCESSES }, () => stage.start()));
      await disconnected(stage, herd, place);
      await dead(stage, herd);
    } finally {
      await stage.close();
    }
  }
}

const one = (herd: readonly CrashProcess[], id: string): Promise<(CallResult | null)[]> =>
  Promise.all(herd.map((process) => process.call(id)));

const isRefused = (result: CallResult | null): boolean =>
  result?.kind === 'error' && result.code === 'not_connected';

async function disconnected(
  stage: CrashStage,
  herd: readonly CrashProcess[],
  place: CrashPlace | FallBackPlace,
): Promise<void> {
  const { clock } = stage.emulator;
  expect(await one(herd, 'left')).toEqual(herd.map(() => expect.objectContaining({ kind: 'token' })));
  const older = await place.store.read(stage.keyOf('left'));
  if ('backUp' in place) await place.backUp();
  await herd[0]?.ask({ kind: 'disconnect', connection: 'left' });
  const leftAt = clock.now();
  // In use on all of them, once a second.
  while (clock.now() - leftAt < REVALIDATE_MS + SECOND_MS) {
    await stage.pass(SECOND_MS, herd);
    await one(herd, 'left');
  }
  expect((await one(herd, 'left')).every(isRefused)).toBe(true);

  if ('fallBack' in place) await place.fallBack();
  else {
    const { row } = await place.store.read(stage.keyOf('left'));
    if (older.row && row) await place.store.cas(stage.keyOf('left'), row.rev, older.row);
  }
  // The rows are what they were: but for the processes, nobody would know of the disconnect.
  await vi.waitFor(
    async () => expect((await place.store.read(stage.keyOf('left'))).row?.body).toBe(older.row?.body),
    { timeout: 30_000, interval: 50 },
  );
  // While a server that was killed is away, nobody can be told; nobody gets a token either.
  for (let left = herd; left.length > 0; ) {
    const results = await one(left, 'left');
    expect(results.filter((result) => result?.kind !== 'error')).toEqual([]);
    left = left.filter((_, index) => !isRefused(results[index] ?? null));
  }
  const next = await stage.start();
  expect(isRefused(await next.call('left'))).toBe(true);
  expect(stage.presented('left')).toEqual([]);
}

/** A refresh token that the provider has ended: one request finds out, and nobody asks again. */
async function dead(stage: CrashStage, herd: readonly CrashProcess[]): Promise<void> {
  stage.emulator.revoke({ user: userOf('dead') });
  const [first] = herd;
  if (!first) return;
  await stage.pass(5 * 3_600_000 + 60_000, []);
  const verdict = (await stage.drive([[first, 'dead']])).get('dead');
  expect(verdict).toMatchObject({ kind: 'refused', reason: 'revoked_or_expired' });
  expect(stage.presented('dead')).toHaveLength(1);
  const results = await Promise.all(
    herd.map((process) => process.ask({ kind: 'calls', connection: 'dead', count: CALLERS })),
  );
  const refusals = results.flatMap((result) => result ?? []);
  expect(refusals).toHaveLength(PROCESSES * CALLERS);
  const expected = { kind: 'error', code: 'reauthorization_required', reason: 'revoked_or_expired' };
  expect(refusals.filter((refusal) => JSON.stringify(refusal) !== JSON.stringify(refusals[0]))).toEqual([]);
  expect(refusals[0]).toMatchObject(expected);
  expect(stage.presented('dead')).toHaveLength(1);
}
