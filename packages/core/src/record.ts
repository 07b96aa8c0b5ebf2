import * as v from 'valibot';
import { RecordUnreadableError } from './errors.ts';
import type { DeathReason, HistoryEntry } from './status.ts';
import type { StoredState } from './token-store.ts';

/** The schema that this version writes. A later one is read by nobody older, and never overwritten (F56, F75). */
export const SCHEMA_VERSION = 1;

const instant = v.pipe(v.number(), v.minValue(0));
const counter = v.pipe(v.number(), v.integer(), v.minValue(0));
const token = v.looseObject({ issuedAt: instant, lifeMs: instant, fingerprint: v.string() });

const intent = v.looseObject({
  attemptId: v.string(),
  generation: counter,
  owner: v.string(),
  kind: v.picklist(['refresh', 'announce', 'probe', 'repair']),
  firstAt: instant,
  leaseUntil: instant,
});

/** Tokens as they stand in the row: sealed, bound to registration, connection, epoch and generation. */
const sealedTokens = v.string();

const schema = v.looseObject({
  v: v.literal(SCHEMA_VERSION),
  epoch: counter,
  generation: counter,
  authorizedAt: v.nullable(instant),
  access: v.nullable(token),
  refresh: v.nullable(token),
  tokens: v.nullable(sealedTokens),
  userEmail: v.nullable(v.string()),
  disconnectedAt: v.nullable(instant),
  dead: v.nullable(v.looseObject({ reason: v.string(), at: instant })),
  pending: v.nullable(
    v.looseObject({
      id: v.string(),
      tokens: sealedTokens,
      epoch: counter,
      access: v.nullable(token),
      refresh: v.nullable(token),
      userEmail: v.nullable(v.string()),
      until: instant,
      begunAt: v.optional(instant),
    }),
  ),
  intent: v.nullable(intent),
  unknown: v.nullable(v.looseObject({ count: counter, since: instant, lastAt: instant })),
  refused: v.nullable(v.looseObject({ count: counter, since: instant, notBefore: instant })),
  quarantine: v.nullable(
    v.looseObject({
      body: sealedTokens,
      generation: counter,
      problem: v.string(),
      at: instant,
      issuedAt: instant,
      attemptId: v.optional(v.nullable(v.string()), null),
    }),
  ),
  sibling: v.nullable(
    v.looseObject({
      tokens: sealedTokens,
      access: v.nullable(token),
      refresh: token,
      generation: counter,
      authorizationId: v.optional(v.nullable(v.string()), null),
      unknown: v.optional(
        v.nullable(v.looseObject({ count: counter, since: instant, lastAt: instant })),
        null,
      ),
    }),
  ),
  lastAttemptId: v.nullable(v.string()),
  attemptIds: v.optional(v.array(v.string()), []),
  authorizationId: v.optional(v.nullable(v.string()), null),
  rejectedIds: v.optional(v.array(v.string()), []),
  leftAt: v.optional(v.nullable(instant), null),
  gaveWay: v.optional(v.array(v.looseObject({ authorizationId: v.string(), generation: counter })), []),
  pendingOver: v.optional(counter, 0),
  contested: v.optional(v.boolean(), false),
  guessAt: v.nullable(instant),
  guessedGeneration: v.optional(v.nullable(counter), null),
  nextDueAt: v.nullable(instant),
  lastError: v.nullable(v.looseObject({ at: instant, code: v.string(), message: v.string() })),
  history: v.array(
    v.looseObject({ at: instant, event: v.string(), generation: counter, detail: v.optional(v.string()) }),
  ),
});

export interface StoredToken {
  /** Epoch ms by the store's clock, at or before the provider's own. */
  readonly issuedAt: number;
  readonly lifeMs: number;
  readonly fingerprint: string;
}

export type IntentKind = 'refresh' | 'announce' | 'probe' | 'repair';

/** The announcement, durable before it happens, that this generation's refresh token is about to be presented. */
export interface Intent {
  readonly attemptId: string;
  readonly generation: number;
  /** Random per manager: a restarted container is not its predecessor (F41). */
  readonly owner: string;
  readonly kind: IntentKind;
  /** Store's time of the first intent for this generation: a pair counts as issued then. */
  readonly firstAt: number;
  readonly leaseUntil: number;
}

/** A pair of tokens in the clear. Lives in memory only. */
export interface TokenPair {
  readonly access: string | null;
  readonly refresh: string | null;
}

/**
 * Tokens inside a record: sealed as stored, or a pair in hand that the shell seals on the way to the store.
 */
export type RecordTokens = string | TokenPair;

/** One connection's grant. `authorizedAt` is `null` until somebody has signed in. */
export interface GrantRecord {
  readonly v: 1;
  readonly epoch: number;
  readonly generation: number;
  readonly authorizedAt: number | null;
  readonly access: StoredToken | null;
  readonly refresh: StoredToken | null;
  readonly tokens: RecordTokens | null;
  readonly userEmail: string | null;
  /** Set on a tombstone. */
  readonly disconnectedAt: number | null;
  readonly dead: { readonly reason: DeathReason; readonly at: number } | null;
  readonly pending: {
    /** Names this sign-in, so that it is confirmed once and nothing else is in its place. */
    readonly id: string;
    readonly tokens: RecordTokens;
    /** What the sealed tokens are bound to. */
    readonly epoch: number;
    readonly access: StoredToken | null;
    readonly refresh: StoredToken | null;
    readonly userEmail: string | null;
    readonly until: number;
    /** The store's time before its code was sent. */
    readonly begunAt?: number;
  } | null;
  readonly intent: Intent | null;
  /** Refreshes of this generation whose outcome nobody knows; `lastAt`: when the last one's lease ended. */
  readonly unknown: { readonly count: number; readonly since: number; readonly lastAt: number } | null;
  /** Refusals of this generation that nobody recognizes. */
  readonly refused: { readonly count: number; readonly since: number; readonly notBefore: number } | null;
  /** A successful answer that could not be read, sealed, for a later version that can. */
  readonly quarantine: {
    readonly body: string | { readonly text: string };
    readonly generation: number;
    readonly problem: string;
    readonly at: number;
    /** Store's time of the intent: what is in there was issued then or later. */
    readonly issuedAt: number;
    /** Whose answer it is: a writer whose answer was lost knows its own. */
    readonly attemptId: string | null;
  } | null;
  /** A second live pair of the same parent, kept until the next rotation. */
  readonly sibling: {
    readonly tokens: RecordTokens;
    readonly access: StoredToken | null;
    readonly refresh: StoredToken;
    readonly generation: number;
    /** Of another sign-in, which crossed this one: which of the two the provider made last is not known. */
    readonly authorizationId?: string | null;
    /** A refresh of it may be under way, or have been lost: as `unknown` of a record. */
    readonly unknown?: GrantRecord['unknown'];
  } | null;
  readonly lastAttemptId: string | null;
  /** The newest writes of a pair, oldest first: a writer whose answer was lost knows its own, also generations later. */
  readonly attemptIds: readonly string[];
  /** Names the sign-in or import that this grant comes from; carried through all its rotations. */
  readonly authorizationId: string | null;
  /** The accounts that were rejected, the latest last: a sign-in whose write was in doubt does not bring one back. */
  readonly rejectedIds: readonly string[];
  /** When somebody left last, also after that person has come back: the history forgets it with the twentieth refresh. */
  readonly leftAt: number | null;
  /**
   * The sign-ins that were refused, and up to which generation, before one that had crossed them took their place. Empty once
   * that one has rotated: then it is the one that lives.
   */
  readonly gaveWay: readonly { readonly authorizationId: string; readonly generation: number }[];
  /** No account that waits under this epoch or a lower one comes back, from a journal either. */
  readonly pendingOver: number;
  /**
   * Another process may have presented this pair's parent, too: should the provider end the pair for that, the loss is
   * named for what it is.
   */
  readonly contested: boolean;
  /** When a refresh was last tried on no more than a 403, and on which generation. */
  readonly guessAt: number | null;
  readonly guessedGeneration: number | null;
  readonly nextDueAt: number | null;
  readonly lastError: { readonly at: number; readonly code: string; readonly message: string } | null;
  readonly history: readonly HistoryEntry[];
}

/** A row without a grant yet: the ground that an authorization or a tombstone is written on. */
export const EMPTY_RECORD: GrantRecord = {
  v: SCHEMA_VERSION,
  epoch: 0,
  generation: 0,
  authorizedAt: null,
  access: null,
  refresh: null,
  tokens: null,
  userEmail: null,
  disconnectedAt: null,
  dead: null,
  pending: null,
  intent: null,
  unknown: null,
  refused: null,
  quarantine: null,
  sibling: null,
  lastAttemptId: null,
  attemptIds: [],
  authorizationId: null,
  rejectedIds: [],
  leftAt: null,
  gaveWay: [],
  pendingOver: 0,
  contested: false,
  guessAt: null,
  guessedGeneration: null,
  nextDueAt: null,
  lastError: null,
  history: [],
};

/**
 * Reads a row's body. Members that this version does not know stay in the record and are written back.
 * @throws RecordUnreadableError `later_schema` or `malformed`; the row stays as it is
 */
export function parseRecord(body: string, connectionId: string): GrantRecord {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    value = undefined;
  }
  const version = typeof value === 'object' && value !== null ? (value as { v?: unknown }).v : undefined;
  if (typeof version === 'number' && version > SCHEMA_VERSION) {
    throw new RecordUnreadableError(
      `The stored record has schema ${version}, this version of @hq-oauth/core knows up to ${SCHEMA_VERSION}. ` +
        'Update this process; the record was left as it is.',
      { reason: 'later_schema', connectionId },
    );
  }
  const result = v.safeParse(schema, value);
  if (!result.success) {
    const path = v.getDotPath(result.issues[0]) ?? '(root)';
    throw new RecordUnreadableError(
      `The stored record is damaged at "${path}". It was left as it is: restore the row from a ` +
        'backup, or remove it by hand and sign in again.',
      { reason: 'malformed', connectionId },
    );
  }
  const record = result.output as GrantRecord;
  // A version that keeps it in the history alone carries an older one over.
  const left = record.history.findLast(({ event }) => event === 'disconnected')?.at ?? 0;
  const leftAt = record.disconnectedAt ?? Math.max(record.leftAt ?? 0, left);
  return leftAt > 0 && leftAt !== record.leftAt ? { ...record, leftAt } : record;
}

/** The part of the state that time cannot change, for the store's index. */
export function storedState(record: GrantRecord): StoredState {
  if (record.tokens === null && record.pending !== null) return 'pending';
  if (record.disconnectedAt !== null) return 'disconnected';
  if (record.dead !== null) return 'reauth_required';
  return record.tokens === null ? 'other' : 'connected';
}

/** Orders two records by `(epoch, generation)`: negative when `a` is the older one. */
export function compareGrants(
  a: { readonly epoch: number; readonly generation: number },
  b: { readonly epoch: number; readonly generation: number },
): number {
  return a.epoch - b.epoch || a.generation - b.generation;
}
