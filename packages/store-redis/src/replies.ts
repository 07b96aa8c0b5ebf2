import type { ListedRow, StoredState, StoreRow } from '@hq-oauth/core';
import { textOf } from './id-hex.ts';

/** How many fields of a row a script replies with: rev, state, due, end, body. */
const FIELDS = 5;
const STATES = new Set<string>(['connected', 'pending', 'reauth_required', 'disconnected', 'other']);

/** The row whose fields begin at `from`; `null`: the reply ends there. */
export function rowAt(reply: unknown, from: number): StoreRow | null {
  return itemsOf(reply).length > from ? Object.freeze(fieldsAt(reply, from)) : null;
}

/** The rows of a list, each behind its id, from the second item on. */
export function rowsIn(reply: unknown): ListedRow[] {
  const items = itemsOf(reply);
  const rows: ListedRow[] = [];
  for (let at = 1; at < items.length; at += FIELDS + 1) {
    rows.push(Object.freeze({ ...fieldsAt(items, at + 1), id: textOf(textIn(items[at])) }));
  }
  return rows;
}

export function textsIn(reply: unknown): string[] {
  return itemsOf(reply).map(textIn);
}

export function numberAt(reply: unknown, at: number): number {
  const value = itemsOf(reply)[at];
  const number = typeof value === 'number' ? value : Number(textIn(value));
  if (!Number.isFinite(number)) throw new TypeError('Redis replied with something that is no number');
  return number;
}

function fieldsAt(reply: unknown, from: number): StoreRow {
  const [, state, due, ends, body] = itemsOf(reply)
    .slice(from, from + FIELDS)
    .map(textIn);
  return {
    rev: numberAt(reply, from),
    state: isState(state) ? state : 'other',
    dueAt: instantOf(due),
    expiresAt: instantOf(ends),
    body: body ?? '',
  };
}

function isState(text: string | undefined): text is StoredState {
  return text !== undefined && STATES.has(text);
}

function instantOf(text: string | undefined): number | null {
  return text === undefined || text === '' ? null : Number(text);
}

function itemsOf(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw new TypeError('Redis replied with something that is no array');
  return reply;
}

/** Clients can be set to give bytes, and numbers of their own kind. */
function textIn(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  throw new TypeError('Redis replied with something that is no text');
}
