/** Every place where the shell waits for something outside the process. */
export const POINTS = [
  'read',
  'read.settle',
  'read.recheck',
  'read.persist',
  'cas.intent',
  'cas.announce',
  'cas.probe',
  'cas.repair',
  'cas.pair',
  'cas.sibling',
  'cas.restore',
  'cas.clear',
  'cas.death',
  'cas.quarantine',
  'cas.sign-in',
  'cas.disconnect',
  'gate.read',
  'gate.cas',
  'connect',
  'send',
  'exchange',
  'journal.read',
  'journal.append',
  'journal.forget',
  'timer',
] as const;
export type Point = (typeof POINTS)[number];

/** What can befall the process, or what is around it, while it waits anywhere. */
const EVERYWHERE = [
  'crash-after',
  'stop',
  'jump-ahead',
  'jump-back',
  'suspend',
  'partition-store',
  'partition-provider',
  'store-down',
  'fall-back',
  'row-lost',
  'key-missing',
  'provider-down',
] as const;
/** What can happen to anything that is sent and answered. */
const EXCHANGED = ['crash-before', 'lost-before', 'late', 'doubled'] as const;
const PROVIDER = [
  'too-late',
  'lost-after',
  'reset',
  '502-before',
  '502-after',
  'html',
  'truncated',
  '429',
  'unrecognized',
  'invalid-client',
  'wrapped',
  'wrapped-refresh',
] as const;

export type FaultKind =
  | (typeof EVERYWHERE)[number]
  | (typeof EXCHANGED)[number]
  | (typeof PROVIDER)[number]
  | 'torn';

/** `ms`: how long it lasts, how far it reaches back, or how late it is. */
export interface Fault {
  readonly kind: FaultKind;
  readonly ms: number;
}

export function kindsAt(point: Point): readonly FaultKind[] {
  if (point === 'timer') return EVERYWHERE;
  const common = [...EVERYWHERE, ...EXCHANGED];
  if (point === 'send' || point === 'exchange') return [...common, ...PROVIDER];
  if (point.startsWith('cas.') || point === 'gate.cas') return [...common, 'lost-after'];
  if (point === 'journal.append') return [...common, 'lost-after', 'torn'];
  if (point === 'journal.forget') return [...common, 'lost-after'];
  return common;
}

export const KINDS: readonly FaultKind[] = [...EVERYWHERE, ...EXCHANGED, ...PROVIDER, 'torn'];

export interface Cell {
  readonly point: Point;
  readonly kind: FaultKind;
}

/** Every cell of the table that can be hit. */
export const CELLS: readonly Cell[] = POINTS.flatMap((point) =>
  kindsAt(point).map((kind) => ({ point, kind })),
);

export function cellName({ point, kind }: Cell): string {
  return `${kind} @ ${point}`;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Lasts long enough to matter for this kind; `u` and `v` are uniform in [0, 1). */
export function extentOf(kind: FaultKind, u: number, v: number): number {
  const upTo = (low: number, high: number): number => Math.floor(low + (high - low) * v);
  switch (kind) {
    case 'stop':
    case 'suspend':
      // A lease is three minutes: half of the stops outlast it.
      return u < 0.5 ? upTo(SECOND, 150 * SECOND) : upTo(3 * MINUTE, 15 * MINUTE);
    case 'crash-before':
    case 'crash-after':
    case 'torn':
      return u < 0.6 ? upTo(SECOND, 20 * SECOND) : upTo(MINUTE, 10 * MINUTE);
    case 'partition-store':
    case 'partition-provider':
    case 'store-down':
      return u < 0.6 ? upTo(SECOND, 60 * SECOND) : upTo(3 * MINUTE, 9 * MINUTE);
    case 'provider-down':
      return u < 0.5 ? upTo(SECOND, MINUTE) : upTo(10 * MINUTE, 35 * MINUTE);
    case 'fall-back':
      return u < 0.7 ? upTo(1, 5 * SECOND) : upTo(5 * SECOND, 30 * MINUTE);
    case 'key-missing':
      return upTo(MINUTE, 20 * MINUTE);
    case 'jump-ahead':
    case 'jump-back':
      return u < 0.5 ? upTo(5 * SECOND, 5 * MINUTE) : upTo(MINUTE, 26 * 60 * MINUTE);
    case 'late':
      return u < 0.5 ? upTo(SECOND, 20 * SECOND) : upTo(20 * SECOND, 85 * SECOND);
    case 'too-late':
      return upTo(91 * SECOND, 145 * SECOND);
    case '429':
      return u < 0.5 ? 0 : upTo(SECOND, 3 * MINUTE);
    case 'lost-before':
    case 'lost-after':
    case 'reset':
    case 'doubled':
    case 'row-lost':
    case '502-before':
    case '502-after':
    case 'html':
    case 'truncated':
    case 'unrecognized':
    case 'invalid-client':
    case 'wrapped':
    case 'wrapped-refresh':
      return upTo(5, 2 * SECOND);
    default:
      return kind satisfies never;
  }
}
