import type { TrapAction, TrapPoint } from './traps.ts';

/** `at once`: the next process has a token with its first call; `later`: when leases are over; `lost`: a person is needed. */
export type End = 'at once' | 'later' | 'lost';

/** One moment of a refresh, and what must become of a grant whose process is killed then. */
export interface CrashPoint {
  /** Also the connection that it happens to. */
  readonly id: string;
  readonly faults: string;
  readonly title: string;
  /** Where the process does it to itself. */
  readonly trap?: { readonly at: TrapPoint; readonly action: TrapAction };
  /** Or where the provider holds the request up while the parent does it. */
  readonly held?: { readonly when: 'before' | 'after'; readonly delayMs: number };
  /** What it is ended with; SIGKILL if it is left out. */
  readonly signal?: 'SIGTERM';
  readonly journals: readonly ('file' | 'store')[];
  /** The entry is cut in half afterwards. */
  readonly torn?: true;
  /** Another process was killed before, and left the outcome of its request open. */
  readonly second?: true;
  /** A process can only come to it alone. */
  readonly alone?: true;
  /** How the process ends. Default: SIGKILL. */
  readonly how?: number;
  readonly end: End;
}

/** Longer than any scenario. */
const FOR_GOOD_MS = 10 * 86_400_000;
/** Within what the lease allows a provider to go on with a request whose sender is gone. */
const LINGERS_MS = 50_000;
const kill = (at: TrapPoint): NonNullable<CrashPoint['trap']> => ({ at, action: 'kill' });

export const CRASH_POINTS: readonly CrashPoint[] = [
  {
    id: 'c0',
    faults: 'F57',
    title: 'before the intent',
    trap: kill('before-intent'),
    journals: ['file'],
    end: 'at once',
  },
  {
    id: 'c1',
    faults: 'F57',
    title: 'connected, and the intent refused',
    trap: kill('intent-refused'),
    journals: ['file'],
    end: 'at once',
  },
  {
    id: 'c2',
    faults: 'F58 F41',
    title: 'after the intent, before a byte has left',
    trap: kill('after-intent'),
    journals: ['file'],
    end: 'later',
  },
  {
    id: 'c2-byte',
    faults: 'F58',
    title: 'after the last check, right before the first byte',
    trap: kill('first-byte'),
    journals: ['file'],
    end: 'later',
  },
  {
    id: 'c3',
    faults: 'F59',
    title: 'sent, and never processed',
    held: { when: 'before', delayMs: FOR_GOOD_MS },
    journals: ['file'],
    end: 'later',
  },
  {
    id: 'c3-linger',
    faults: 'F59 F60a',
    title: 'sent, and processed when its sender is dead',
    held: { when: 'before', delayMs: LINGERS_MS },
    journals: ['file'],
    end: 'lost',
  },
  {
    id: 'c4',
    faults: 'F60a',
    title: 'rotated, and the answer not sent',
    held: { when: 'after', delayMs: FOR_GOOD_MS },
    journals: ['file'],
    end: 'lost',
  },
  {
    id: 'c5',
    faults: 'F60b',
    title: 'answered, before the journal has it',
    trap: kill('before-journal'),
    journals: ['file'],
    end: 'lost',
  },
  {
    id: 'c5-bare',
    alone: true,
    faults: 'F60b',
    title: 'answered, before the store has it, without a journal',
    trap: kill('before-pair'),
    journals: [],
    end: 'lost',
  },
  {
    id: 'c8',
    faults: 'F60e',
    title: 'during the journal write, which leaves half an entry',
    trap: kill('after-journal'),
    journals: ['file'],
    torn: true,
    end: 'lost',
  },
  {
    id: 'c6',
    faults: 'F60c',
    title: 'after the journal, before the store has it',
    trap: kill('before-pair'),
    journals: ['file'],
    end: 'at once',
  },
  {
    id: 'c6-store',
    alone: true,
    faults: 'F60c',
    title: 'after the journal in a second store, before the store has it',
    trap: kill('before-pair'),
    journals: ['store'],
    end: 'at once',
  },
  {
    id: 'c6-sent',
    faults: 'F60c',
    title: 'after the store was told, before its answer was read',
    trap: kill('pair-sent'),
    journals: ['file'],
    end: 'at once',
  },
  {
    id: 'c7',
    faults: 'F60d',
    title: 'after the store has it, before callers',
    trap: kill('after-pair'),
    journals: [],
    end: 'at once',
  },
  {
    id: 'hook',
    faults: 'F60d F60g',
    title: 'in a listener',
    trap: kill('listener'),
    journals: [],
    end: 'at once',
  },
  {
    id: 'rejection',
    how: 1,
    alone: true,
    faults: 'F60g',
    title: 'by a rejection that a listener leaves unhandled',
    trap: { at: 'listener', action: 'reject' },
    journals: [],
    end: 'at once',
  },
  {
    id: 'announced',
    faults: 'F58',
    title: 'during the announcement of a probe',
    trap: kill('after-announce'),
    journals: ['file'],
    second: true,
    end: 'later',
  },
  {
    id: 'probing',
    faults: 'F58',
    title: 'during a probe',
    trap: kill('after-probe'),
    journals: ['file'],
    second: true,
    end: 'later',
  },
  {
    id: 'terminated-early',
    how: 0,
    alone: true,
    faults: 'F60f',
    title: 'by SIGTERM after the intent, before a byte has left',
    trap: { at: 'after-intent', action: 'terminate' },
    journals: [],
    end: 'at once',
  },
  {
    id: 'terminated-late',
    how: 0,
    alone: true,
    faults: 'F60f',
    title: 'by SIGTERM while the answer is on its way',
    held: { when: 'after', delayMs: 1_000 },
    signal: 'SIGTERM',
    journals: [],
    end: 'at once',
  },
];

/** Lease, response deadline, and settle time with what it takes to read and write. */
export const RECOVERED_WITHIN_MS = 180_000 + 90_000 + 30_000;
