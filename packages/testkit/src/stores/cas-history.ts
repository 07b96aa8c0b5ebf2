import type { StoreKey, StoreRow, TokenStore } from '@hq-oauth/core';

/** One operation on one counter: what it wrote or saw, and when it ran. */
export interface CasEvent {
  readonly counter: string;
  /** `won`: wrote `rev`. `saw`: met `rev` standing there (0: no row), by a read or a refusal. */
  readonly kind: 'won' | 'saw';
  readonly rev: number;
  /** `won`: which revision the writer expected (0: no row). `saw`: `null`. */
  readonly expected: number | null;
  readonly body: string | null;
  /** By a clock that all processes of this machine share, nanoseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
}

export interface CasWorkload {
  readonly registration: string;
  /** Ids of the rows that are written to. */
  readonly counters: readonly string[];
  /** When a worker stops: after this many calls of `cas`, or after this many that wrote. */
  readonly until: { readonly attempts: number } | { readonly wins: number };
  /** Tells this worker's writes from those of others. */
  readonly worker: string;
}

/**
 * Increments counters by compare-and-set against whoever else does, and records each operation. Serializable, so that
 * child processes can send their events to the one that checks them with {@link findViolations}.
 */
export async function raceOnCounters(store: TokenStore, workload: CasWorkload): Promise<CasEvent[]> {
  const { registration, counters, until, worker } = workload;
  const events: CasEvent[] = [];
  let won = 0;
  const goesOn = (attempt: number): boolean =>
    'wins' in until ? won < until.wins : attempt < until.attempts;
  for (let attempt = 0; goesOn(attempt); attempt += 1) {
    const counter = counters[attempt % counters.length] ?? '';
    const key: StoreKey = { registration, kind: 'grant', id: counter };
    const seen = await timed(() => store.read(key));
    events.push(sawEvent(counter, seen.result.row, seen));
    const rev = seen.result.row?.rev ?? null;
    const body = JSON.stringify({ worker, attempt });
    const write = await timed(() =>
      store.cas(key, rev, { body, state: 'connected', dueAt: null, expiresAt: null }),
    );
    const { startedAt, endedAt, result } = write;
    if (result.ok) {
      won += 1;
      events.push({ counter, kind: 'won', rev: result.rev, expected: rev ?? 0, body, startedAt, endedAt });
    } else {
      events.push(sawEvent(counter, result.row, write));
    }
  }
  return events;
}

/**
 * Says how a history differs from what one register per counter, written one operation at a time, could have shown;
 * an empty list: it is linearizable. `finalRows`: each counter's row after the last operation.
 *
 * Each write leads from the revision that it expected to its own, which is greater, and all of them make one chain to
 * the final row. So revisions order the operations: a write of `rev` comes before all that saw `rev`, and those before
 * the write that expected it. There is a legal order exactly if no operation that ended before another one began comes
 * after it.
 */
export function findViolations(
  history: readonly CasEvent[],
  finalRows: ReadonlyMap<string, StoreRow | null>,
): string[] {
  const counters = new Map<string, CasEvent[]>([...finalRows.keys()].map((counter) => [counter, []]));
  for (const event of history) {
    const events = counters.get(event.counter) ?? [];
    counters.set(event.counter, events);
    events.push(event);
  }
  return [...counters].flatMap(([counter, events]) =>
    violationsOf(events, finalRows.get(counter) ?? null).map((problem) => `${counter}: ${problem}`),
  );
}

function violationsOf(events: readonly CasEvent[], finalRow: StoreRow | null): string[] {
  const problems: string[] = [];
  const winners = new Map<number, CasEvent>();
  const replaced = new Set<number | null>();
  for (const event of events) {
    const { kind, rev, expected } = event;
    if (kind !== 'won') continue;
    if (rev <= (expected ?? 0)) problems.push(`who expected revision ${expected} won revision ${rev}`);
    if (winners.has(rev)) problems.push(`two writers won revision ${rev}`);
    if (replaced.has(expected)) problems.push(`two writers won over revision ${expected}`);
    winners.set(rev, event);
    replaced.add(expected);
  }
  const chain = new Set<number>();
  // Downwards only: what leads up again is a problem that has been named.
  for (let rev = finalRow?.rev ?? 0, below = Infinity; rev > 0 && rev < below; ) {
    const winner = winners.get(rev);
    if (!winner) problems.push(`nobody won revision ${rev}`);
    chain.add(rev);
    below = rev;
    rev = winner?.expected ?? 0;
  }
  for (const rev of winners.keys())
    if (!chain.has(rev)) problems.push(`revision ${rev} was acknowledged and lost`);
  const seen = finalRow ? [...events, finalEvent(finalRow)] : events;
  for (const { kind, rev, body } of seen) {
    const expected = rev === 0 ? null : winners.get(rev)?.body;
    if (kind === 'saw' && body !== expected) problems.push(`revision ${rev} was seen with another body`);
  }
  return [...problems, ...orderViolations(events)];
}

function orderViolations(events: readonly CasEvent[]): string[] {
  const byStart = [...events].sort((a, b) => a.startedAt - b.startedAt);
  const byEnd = [...events].sort((a, b) => a.endedAt - b.endedAt);
  const problems: string[] = [];
  let ended = 0;
  let furthest: CasEvent | null = null;
  for (const event of byStart) {
    for (let other = byEnd[ended]; other && other.endedAt < event.startedAt; other = byEnd[ended]) {
      if (!furthest || comesAfter(other, furthest)) furthest = other;
      ended += 1;
    }
    if (furthest && comesAfter(furthest, event)) {
      problems.push(
        `revision ${event.rev} was ${event.kind === 'won' ? 'written' : 'seen'} after revision ${furthest.rev}`,
      );
    }
  }
  return problems;
}

/** In the one order that revisions allow. */
function comesAfter(one: CasEvent, other: CasEvent): boolean {
  if (one.rev !== other.rev) return one.rev > other.rev;
  return one.kind === 'saw' && other.kind === 'won';
}

function finalEvent({ rev, body }: StoreRow): CasEvent {
  return { counter: '', kind: 'saw', rev, expected: null, body, startedAt: 0, endedAt: 0 };
}

function sawEvent(counter: string, row: StoreRow | null, times: Times): CasEvent {
  const { startedAt, endedAt } = times;
  const seen = { rev: row?.rev ?? 0, body: row?.body ?? null };
  return { counter, kind: 'saw', ...seen, expected: null, startedAt, endedAt };
}

interface Times {
  readonly startedAt: number;
  readonly endedAt: number;
}

async function timed<T>(run: () => Promise<T>): Promise<Times & { readonly result: T }> {
  const startedAt = Number(process.hrtime.bigint());
  const result = await run();
  return { startedAt, endedAt: Number(process.hrtime.bigint()), result };
}
