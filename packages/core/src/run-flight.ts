import type { Clock } from './clock.ts';
import { sleep } from './clock.ts';
import { isHighQError, RecordUnreadableError, StoreUnavailableError } from './errors.ts';
import type {
  EventTime,
  Flight,
  FlightContext,
  FlightEffect,
  FlightEvent,
  FlightResult,
  Snapshot,
} from './flight.ts';
import type { Found, GrantRepository, GrantSlot } from './grant-repository.ts';
import type { Above } from './journal-standing.ts';
import type { Journalled, Journals } from './journals.ts';
import { step, takeOff } from './machine.ts';
import { compareGrants, type GrantRecord, type Intent } from './record.ts';
import { safeError } from './redact.ts';
import type { RegistrationGate } from './registration-gate.ts';
import type { TokenConnection, TokenEndpoint, TokenOutcome } from './token-outcome.ts';
import { parseTokenResponse } from './token-response.ts';

/** What the outside is told while a flight goes on. */
export interface FlightObserver {
  /** A record was read or written. */
  seen(found: Omit<Found, 'leaseLeftMs'>): void;
  /** From here on it is this process's only, until the store says that it has it. */
  inHand(record: GrantRecord): void;
  held(snapshot: Snapshot, tries: number): void;
  heldAnswer(record: GrantRecord, tries: number): void;
  /** The kept answer of this record is being read once more. */
  reparsing(record: GrantRecord): void;
  blocked(ageMs: number, leaseLeftMs: number): void;
  anomaly(anomaly: string, detail: string, generation: number): void;
  /** No journal took the pair; the store is next. */
  journalFailed(error: unknown): void;
  /** Goes on by itself; `close()` waits for it. */
  work(work: Promise<unknown>): void;
}

interface FlightShell {
  readonly context: Omit<FlightContext, 'newest' | 'deadToken'>;
  /** The newest grant that the process has in memory. */
  readonly newest: () => Snapshot | null;
  readonly deadToken: () => string | null;
  readonly slot: GrantSlot;
  readonly repository: GrantRepository;
  readonly endpoint: TokenEndpoint;
  readonly journals: Journals;
  readonly gate: RegistrationGate;
  readonly clock: Clock;
  readonly observer: FlightObserver;
  /** Aborted by `close()`: nothing new is sent from then on. */
  readonly closing: AbortSignal;
  /** Aborted when nobody waits any more: ends what waits for somebody else's lease, or has not begun. */
  readonly left: AbortSignal;
  /** Aborted when the shutdown's time is up: nothing is tried any more. */
  readonly ended: AbortSignal;
}

/** A journal that is slow rather than stale is taken at its word in the end. */
const REPLAYS_AT_MOST = 3;
/** For a pair in hand: of so many the answer is waited for at a time. */
const READS_AT_MOST = 6;

type Passing = 'hang_up' | 'hold' | 'hold_answer' | 'blocked' | 'anomaly' | 'report' | 'forget';
type Asking = Exclude<FlightEffect, { type: Passing }>;

/** Carries a flight from take-off to its result. Never rejects for anything that the protocol names. */
export async function runFlight(shell: FlightShell): Promise<FlightResult> {
  const { observer } = shell;
  const context = (): FlightContext => {
    return { ...shell.context, newest: shell.newest(), deadToken: shell.deadToken() };
  };
  let connection = null as TokenConnection | null;
  /** Both clocks just before the intent was written: the lease is younger than that. */
  let intentWrittenAt = { wall: 0, mono: 0 };
  /** Of the registration's breaker, until something was sent in it. */
  let slot = null as number | null;
  let [flight, effects]: readonly [Flight, readonly FlightEffect[]] = takeOff();

  const time = (): EventTime => shell.repository.time();

  const { persistBudgetMs, persistRetryMs } = shell.context.timings;
  /** Reads for a pair in hand that have not been answered. */
  const reads = new Set<Promise<FlightEvent>>();
  /** On the monotonic clock: when the store was last asked about a pair in hand. */
  let triedMono = Number.NEGATIVE_INFINITY;

  /** A store or journal that neither takes a pair nor refuses it is not waited for: the pair is held, and tried again. */
  const inTime = async <T>(work: Promise<T>, ms: number): Promise<T> => {
    work.catch(() => undefined);
    const over = new AbortController();
    const late = sleep(shell.clock, ms, { signal: over.signal }).then(() => {
      throw new StoreUnavailableError('The store did not answer in time.', { connectionId: shell.slot.id });
    });
    late.catch(() => undefined);
    return Promise.race([work, late]).finally(() => over.abort());
  };

  const ask = async (effect: Asking, at: Flight['at']): Promise<FlightEvent> => {
    switch (effect.type) {
      case 'read':
        return at === 'persisting' ? hurriedRead() : read();
      case 'write':
        return storeEvent(async () => {
          const writing = () => shell.repository.write(shell.slot, effect.expectedRev, effect.record);
          if (at === 'intending')
            intentWrittenAt = { wall: shell.clock.now(), mono: shell.clock.monotonic() };
          if (at === 'persisting' && holdsOpen(effect.record)) observer.inHand(effect.record);
          if (at === 'persisting') triedMono = shell.clock.monotonic();
          const { ok, snapshot, ...rest } = await (at === 'persisting'
            ? inTime(noted(writing()), persistRetryMs)
            : writing());
          if (snapshot) observer.seen({ snapshot, ...rest });
          if (ok && snapshot) return { type: 'written', snapshot, ...rest };
          return { type: 'refused', snapshot, ...rest };
        }, 'write_failed');
      case 'replay':
        try {
          const found = await newestInJournals(effect.above, effect.beside);
          return { type: 'replayed', ...found, time: time() };
        } catch (error) {
          if (error instanceof RecordUnreadableError) return { type: 'unreadable', error, time: time() };
          return { type: 'replay_failed', error: safeError(error), time: time() };
        }
      case 'journal':
        observer.inHand(effect.record);
        await inTime(shell.journals.append(shell.slot, effect.record), persistBudgetMs).catch(
          (error: unknown) => observer.journalFailed(error),
        );
        return { type: 'journaled', time: time() };
      case 'reparse': {
        observer.reparsing(effect.snapshot.record);
        const text = await shell.repository
          .openQuarantine(shell.slot, effect.snapshot.record)
          .catch(() => null);
        const parsed = text === null ? null : parseTokenResponse(text);
        const outcome: TokenOutcome | null =
          parsed?.kind === 'ok' ? { kind: 'ok', response: parsed.response } : null;
        return { type: 'reparsed', outcome, time: time() };
      }
      case 'gate':
        if (shell.closing.aborted || shell.left.aborted) return { type: 'closing', time: time() };
        try {
          // One that this flight has is not in its own way.
          if (slot !== null) await shell.gate.release(slot);
          const answer = await shell.gate.check();
          if (answer.open) slot = answer.slot;
          if (answer.open) return { type: 'gate_open', lastOkAt: answer.lastOkAt, time: time() };
          const { retryAfterMs, reason } = answer;
          return { type: 'gate_closed', retryAfterMs, reason, time: time() };
        } catch (error) {
          return { type: 'read_failed', error: safeError(error), time: time() };
        }
      case 'connect':
        if (shell.closing.aborted) return { type: 'closing', time: time() };
        try {
          connection = await shell.endpoint.connect();
          return { type: 'connected', time: time() };
        } catch (error) {
          const detail = error instanceof Error ? error.message : 'the connection failed';
          return { type: 'connect_failed', detail, time: time() };
        }
      case 'send': {
        const outcome = await send(effect.refreshToken, effect.intent);
        // From when on it was refused decides when it is given up; a machine that slept meanwhile is behind with the time.
        if (outcome.kind === 'unrecognized') await shell.repository.syncTime();
        return { type: 'outcome', outcome, time: time() };
      }
      case 'timer': {
        // A pair in hand keeps the process alive, and is not hurried by a shutdown.
        const keepAlive = at === 'persisting';
        const waits = at === 'waiting' ? AbortSignal.any([shell.closing, shell.left]) : shell.closing;
        // What a try has taken counts: whoever announces a probe settles for little longer than two of them.
        const sinceMs = keepAlive ? shell.clock.monotonic() - triedMono : 0;
        try {
          await sleep(
            shell.clock,
            Math.max(0, effect.ms - sinceMs),
            keepAlive ? { keepAlive, signal: shell.ended } : { keepAlive, signal: waits },
          );
          return { type: 'timer', time: time() };
        } catch {
          return { type: 'closing', time: time() };
        }
      }
      default:
        return effect satisfies never;
    }
  };

  /** What lay unread while this process was stopped shows a journal as it was before. */
  const newestInJournals = async (above: Above, beside: string | null): Promise<Journalled> => {
    for (let tries = 1; ; tries += 1) {
      const asked = { wall: shell.clock.now(), mono: shell.clock.monotonic() };
      const found = await shell.journals.newest(shell.slot, above, beside);
      const tookMs = Math.max(shell.clock.now() - asked.wall, shell.clock.monotonic() - asked.mono);
      if (tookMs <= shell.context.timings.settleMs || tries === REPLAYS_AT_MOST) return found;
    }
  };

  const read = (ask = () => shell.repository.read(shell.slot)): Promise<FlightEvent> =>
    storeEvent(async () => {
      const found = await ask();
      if (found.snapshot) observer.seen(found);
      return { type: 'read', ...found };
    }, 'read_failed');

  /** The answer to a write shows the row, too: one that comes too late counts as a read. */
  const noted = (writing: ReturnType<GrantRepository['write']>): typeof writing => {
    const shown = storeEvent(async () => {
      const { ok: _, ...found } = await writing;
      return { type: 'read', ...found };
    }, 'read_failed');
    // What is wrong with it the write itself says.
    shown.catch(() => undefined);
    reads.add(shown);
    return writing;
  };

  /**
   * A store that is gone without a word fails only when its driver's patience ends. The next try does not wait for
   * that; and where the store is slow, the answer to an earlier one serves as well.
   */
  const hurriedRead = (): Promise<FlightEvent> => {
    triedMono = shell.clock.monotonic();
    // The oldest has waited longest, and is the next to be answered by a store that answers at all.
    const [, second] = reads;
    if (second && reads.size >= READS_AT_MOST) reads.delete(second);
    reads.add(read(() => shell.repository.glance(shell.slot)));
    const first = new Promise<FlightEvent>((resolve, reject) => {
      for (const asked of reads) {
        asked.then((event) => {
          reads.delete(asked);
          if (event.type !== 'read_failed' || reads.size === 0) resolve(event);
        }, reject);
      }
    });
    return storeEvent(() => inTime(first, persistRetryMs), 'read_failed');
  };

  const storeEvent = async (
    call: () => Promise<FlightEvent>,
    failure: 'read_failed' | 'write_failed',
  ): Promise<FlightEvent> => {
    try {
      return await call();
    } catch (error) {
      if (error instanceof RecordUnreadableError) return { type: 'unreadable', error, time: time() };
      if (isHighQError(error)) return { type: failure, error, time: time() };
      throw error;
    }
  };

  const send = async (refreshToken: string, intent: Intent): Promise<TokenOutcome> => {
    const notSent = (reason: 'closing' | 'connect_failed', detail: string): TokenOutcome => {
      return { kind: 'not_sent', reason, retryAfterMs: null, detail };
    };
    if (!connection) return notSent('connect_failed', 'the connection was given up');
    if (shell.closing.aborted) return notSent('closing', 'the manager is closing');
    const { leaseMs, responseMs, lingerMs } = shell.context.timings;
    const maySend = (): boolean => {
      const passedMs = Math.max(
        shell.clock.now() - intentWrittenAt.wall,
        shell.clock.monotonic() - intentWrittenAt.mono,
      );
      const { newest } = context();
      if (newest && flight.at === 'sending' && compareGrants(flight.snapshot.record, newest.record) < 0)
        return false;
      // The lease was reckoned from the time of a read, which may have lain unread for a while.
      const storeLeftMs = intent.leaseUntil - shell.repository.time().store;
      return Math.min(storeLeftMs, leaseMs - passedMs) >= responseMs + lingerMs;
    };
    const used = connection;
    connection = null;
    const outcome = await used.send({ grantType: 'refresh_token', refreshToken }, maySend);
    // What was answered is reported, and that ends the slot.
    if (outcome.kind !== 'not_sent' || outcome.reason === 'rate_limited') slot = null;
    return outcome;
  };

  /** Tells what is told in passing, and gives the answer to what is asked. Asking comes first: a write must not wait. */
  const pass = (told: readonly FlightEffect[]): Promise<FlightEvent> | null => {
    let answer: Promise<FlightEvent> | null = null;
    for (const effect of told) {
      switch (effect.type) {
        case 'hang_up':
          connection?.close();
          connection = null;
          break;
        case 'hold':
          observer.held(effect.snapshot, effect.tries);
          break;
        case 'hold_answer':
          observer.heldAnswer(effect.record, effect.tries);
          break;
        case 'blocked':
          observer.blocked(effect.ageMs, effect.leaseLeftMs);
          break;
        case 'anomaly':
          observer.anomaly(effect.anomaly, effect.detail, effect.generation);
          break;
        case 'report':
          observer.work(shell.gate.report(effect.outcome));
          break;
        case 'forget':
          if (shell.journals.present) observer.work(shell.journals.forget(shell.slot, effect.below));
          break;
        default:
          answer = ask(effect, flight.at);
      }
    }
    return answer;
  };

  while (flight.at !== 'done') {
    const answer = pass(effects);
    if (!answer) throw new Error(`A flight at "${flight.at}" asked for nothing.`);
    const event = await answer;
    [flight, effects] = step(context(), flight, event);
  }
  pass(effects);
  if (slot !== null) observer.work(shell.gate.release(slot));
  return flight.result;
}

/** A pair that is put beside another is rescued as what it was received for: nobody looks beside the grant of an entry. */
function holdsOpen({ tokens, quarantine }: GrantRecord): boolean {
  return (tokens !== null && typeof tokens !== 'string') || typeof quarantine?.body === 'object';
}
