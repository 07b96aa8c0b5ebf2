import type { StoreRow } from '../token-store.ts';

/** A grant row as the oracle reads it: by its own means, with no help from core. */
export interface RowView {
  readonly epoch: number;
  readonly generation: number;
  /** Sealed texts, as they stand. */
  readonly sealed: readonly string[];
  /** The grant's own. */
  readonly tokens: string | null;
  /** The refresh token that the next refresh would present. */
  readonly refresh: string | null;
  /** Every refresh token that is anywhere in the row. */
  readonly held: readonly string[];
  readonly sibling: string | null;
  /** Of an account that waits to be confirmed: not the grant's. */
  readonly pending: string | null;
  /** The same account's sealed text, and that of the pair beside the grant. */
  readonly waiting: string | null;
  readonly beside: string | null;
  readonly intent: IntentView | null;
  readonly access: { readonly issuedAt: number; readonly lifeMs: number } | null;
  readonly dead: { readonly reason: string; readonly at: number } | null;
  readonly disconnectedAt: number | null;
  readonly leftAt: number | null;
  readonly connected: boolean;
  readonly quarantine: boolean;
  readonly unknown: boolean;
  readonly refused: boolean;
  readonly lastEvent: string;
  readonly lastEvents: readonly string[];
}

export interface IntentView {
  readonly attemptId: string;
  readonly owner: string;
  readonly kind: 'refresh' | 'announce' | 'probe' | 'repair';
  readonly leaseUntil: number;
}

interface Body {
  epoch: number;
  generation: number;
  tokens: string | null;
  sibling: { tokens: string } | null;
  quarantine: { body: string } | null;
  pending: { tokens: string } | null;
  intent: IntentView | null;
  access: { issuedAt: number; lifeMs: number } | null;
  dead: { reason: string; at: number } | null;
  unknown: object | null;
  refused: object | null;
  disconnectedAt: number | null;
  leftAt: number | null;
  history: readonly { at: number; event: string; generation: number }[];
}

const opened = new Map<string, string>();
const views = new Map<string, RowView>();
const MOST = 5_000;

function open(sealed: string): string {
  const known = opened.get(sealed);
  if (known !== undefined) return known;
  if (!sealed.startsWith('plain.')) return '';
  const { p } = JSON.parse(Buffer.from(sealed.slice(6), 'base64url').toString()) as { p: string };
  if (opened.size > MOST) opened.clear();
  opened.set(sealed, p);
  return p;
}

function refreshTokensIn(text: string): string[] {
  return text.match(/RTOKEN\w+/g) ?? [];
}

function eventText(entry: Body['history'][number] | undefined): string {
  return entry ? `${entry.event} ${entry.at} ${entry.generation}` : '';
}

export function viewOf(body: string): RowView {
  const known = views.get(body);
  if (known) return known;
  const record = JSON.parse(body) as Body;
  const sealed = [
    record.tokens,
    record.sibling?.tokens ?? null,
    record.quarantine?.body ?? null,
    record.pending?.tokens ?? null,
  ].filter((text) => text !== null);
  const last = record.history.at(-1);
  const view: RowView = {
    epoch: record.epoch,
    generation: record.generation,
    sealed,
    tokens: record.tokens,
    refresh: record.tokens === null ? null : (refreshTokensIn(open(record.tokens))[0] ?? null),
    held: sealed.flatMap((text) => refreshTokensIn(open(text))),
    pending: record.pending ? (refreshTokensIn(open(record.pending.tokens))[0] ?? null) : null,
    waiting: record.pending?.tokens ?? null,
    beside: record.sibling?.tokens ?? null,
    sibling: record.sibling ? (refreshTokensIn(open(record.sibling.tokens))[0] ?? null) : null,
    intent: record.intent,
    access: record.access,
    dead: record.dead,
    disconnectedAt: record.disconnectedAt,
    leftAt: record.leftAt,
    connected: record.tokens !== null,
    quarantine: record.quarantine !== null,
    unknown: record.unknown !== null,
    refused: record.refused !== null,
    lastEvent: eventText(last),
    lastEvents: record.history.slice(-3).map(eventText),
  };
  if (views.size > MOST) views.clear();
  views.set(body, view);
  return view;
}

/** Whether a row can be what somebody made of another: its history, and at most two lines more. */
export function comesFrom(next: RowView, before: StoreRow | null): boolean {
  if (!before) return true;
  const { lastEvent } = viewOf(before.body);
  return lastEvent === '' || next.lastEvents.includes(lastEvent);
}
