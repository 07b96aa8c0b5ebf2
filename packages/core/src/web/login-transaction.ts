import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { systemRandom } from '../clock.ts';
import type { ManagerInternals } from '../contracts.ts';
import { isHighQError, StoreUnavailableError } from '../errors.ts';
import { safeError } from '../redact.ts';
import type { StoreKey, StoreRow, StoreValue } from '../token-store.ts';

/** A sign-in that waits for its callback, or an account that waits for its person's word. */
export type Purpose = 'sign-in' | 'confirm';

/** How long a row outlives its transaction, so that a late callback can be told what became of it. */
const REMEMBER_MS = 60 * 60_000;
const RETRY_AFTER_MS = 5_000;

/**
 * What the store holds about a transaction. The row's id is a digest of the cookie, and what identifies a person is
 * keyed with it: whoever reads the database can neither continue a sign-in nor see whose it is.
 */
export interface Transaction {
  readonly v: 1;
  readonly purpose: Purpose;
  readonly state: 'open' | 'used' | 'superseded';
  /** {@link boundDigest} of the connection id that began it. */
  readonly visitor: string;
  readonly instanceUrl: string;
  readonly redirectUri: string;
  readonly returnTo: string;
  readonly pkce: boolean;
  /** {@link boundDigest} of the account that waits, for `confirm`. */
  readonly account?: string;
  /** Epoch ms, store's clock. */
  readonly createdAt: number;
  readonly validUntil: number;
}

export type TransactionDetails = Pick<
  Transaction,
  'purpose' | 'instanceUrl' | 'redirectUri' | 'returnTo' | 'pkce'
> & { readonly connectionId: string; readonly account?: string };

/**
 * - `open`: valid, and, from `consume`, now used up by this caller alone.
 * - `handled`: used before. `superseded`: a newer sign-in of the same browser took its place (F85).
 * - `expired`: older than its time (F84). `unknown`: no such transaction in this store.
 */
export type Found =
  | { readonly kind: 'open'; readonly transaction: Transaction }
  | { readonly kind: 'handled'; readonly transaction: Transaction }
  | { readonly kind: 'superseded'; readonly transaction: Transaction }
  | { readonly kind: 'expired'; readonly transaction: Transaction }
  | { readonly kind: 'unknown' };

/** One-time transactions in the manager's store, each known by a secret that only one browser holds. */
export interface Transactions {
  /** Gives the secret: 256 random bits, made for this transaction. */
  begin(details: TransactionDetails): Promise<string>;
  peek(purpose: Purpose, secret: string): Promise<Found>;
  /** Uses an open transaction up, atomically: of any number of callers, one is told `open`. */
  consume(purpose: Purpose, secret: string): Promise<Found>;
  /** Ends an open transaction that a newer one replaces. */
  supersede(purpose: Purpose, secret: string): Promise<void>;
}

/** `ttlMs`: how long a transaction is valid. */
export function transactionsOf(inside: ManagerInternals, ttlMs: number): Transactions {
  const { store, registration } = inside;
  const keyOf = (secret: string): StoreKey => ({
    registration,
    kind: 'login',
    id: createHash('sha256').update(secret).digest('hex'),
  });

  async function load(purpose: Purpose, secret: string): Promise<Loaded> {
    const { row, now } = await ask(() => store.read(keyOf(secret)));
    const transaction = row && parse(row);
    if (!row || transaction?.purpose !== purpose) return { kind: 'unknown' };
    if (transaction.state === 'used') return { kind: 'handled', transaction };
    if (transaction.state === 'superseded') return { kind: 'superseded', transaction };
    if (now >= transaction.validUntil) return { kind: 'expired', transaction };
    return { kind: 'open', transaction, rev: row.rev };
  }

  /** Leaves `open` for `state`, unless another was faster: then tells what it left. */
  async function end(purpose: Purpose, secret: string, state: 'used' | 'superseded'): Promise<Found> {
    const found = await load(purpose, secret);
    if (found.kind !== 'open') return found;
    const next = rowOf({ ...found.transaction, state });
    const written = await ask(() => store.cas(keyOf(secret), found.rev, next));
    if (written.ok) return { kind: 'open', transaction: found.transaction };
    const overtaken = await load(purpose, secret);
    return overtaken.kind === 'open' ? { kind: 'unknown' } : overtaken;
  }

  return {
    async begin({ connectionId, account, ...details }) {
      // Not the manager's `random`, which a test may make repeatable: this is what keeps strangers out.
      const secret = systemRandom.id() + systemRandom.id();
      const createdAt = await ask(() => store.now());
      const transaction: Transaction = {
        v: 1,
        state: 'open',
        ...details,
        visitor: boundDigest(secret, 'visitor', connectionId),
        ...(account === undefined ? {} : { account: boundDigest(secret, 'account', account) }),
        createdAt,
        validUntil: createdAt + ttlMs,
      };
      const written = await ask(() => store.cas(keyOf(secret), null, rowOf(transaction)));
      if (!written.ok) throw new Error('a fresh transaction id was taken: the source of randomness repeats');
      return secret;
    },
    peek: (purpose, secret) => load(purpose, secret),
    consume: (purpose, secret) => end(purpose, secret, 'used'),
    async supersede(purpose, secret) {
      await end(purpose, secret, 'superseded');
    },
  };
}

type Loaded =
  | (Extract<Found, { kind: 'open' }> & { readonly rev: number })
  | Exclude<Found, { kind: 'open' }>;

/** A digest that only the holder of the cookie can make or compare. */
export function boundDigest(secret: string, what: 'visitor' | 'account', value: string): string {
  return createHmac('sha256', secret).update(`${what}:${value}`).digest('hex');
}

/** Compares without telling by its time where the two differ (F102). */
export function sameDigest(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left, 'hex'), Buffer.from(right, 'hex')];
  return a.length === b.length && a.length > 0 && timingSafeEqual(a, b);
}

/**
 * The PKCE verifier is derived from the cookie and stored nowhere, so that it lives in the browser that began.
 * @see {@link https://www.rfc-editor.org/rfc/rfc7636#section-4.1 RFC 7636, section 4.1}
 */
export function pkceOf(secret: string): { readonly verifier: string; readonly challenge: string } {
  const verifier = createHmac('sha256', secret).update('pkce').digest('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
}

function rowOf(transaction: Transaction): StoreValue {
  const body = JSON.stringify(transaction);
  return { body, state: 'other', dueAt: null, expiresAt: transaction.validUntil + REMEMBER_MS };
}

function parse(row: StoreRow): Transaction | null {
  try {
    const value: unknown = JSON.parse(row.body);
    return isTransaction(value) ? value : null;
  } catch {
    return null;
  }
}

function isTransaction(value: unknown): value is Transaction {
  if (typeof value !== 'object' || value === null) return false;
  const { v, purpose, state, visitor, instanceUrl, redirectUri, returnTo, validUntil } = value as Partial<
    Record<keyof Transaction, unknown>
  >;
  return (
    v === 1 &&
    (purpose === 'sign-in' || purpose === 'confirm') &&
    (state === 'open' || state === 'used' || state === 'superseded') &&
    [visitor, instanceUrl, redirectUri, returnTo].every((text) => typeof text === 'string') &&
    typeof validUntil === 'number'
  );
}

async function ask<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (isHighQError(error)) throw error;
    throw new StoreUnavailableError('The store did not answer, so the sign-in could not go on.', {
      cause: safeError(error),
      retryAfterMs: RETRY_AFTER_MS,
    });
  }
}
