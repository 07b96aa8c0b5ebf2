import { idFromBytes, type ListedRow, type StoredState, type StoreRow } from '@hq-oauth/core';

const STATES = new Set<string>(['connected', 'pending', 'reauth_required', 'disconnected', 'other']);

/** The columns of a row of a result, each as text; `null`: an outer join that found none. */
export function rowOf(columns: unknown): StoreRow | null {
  return textIn(columns, 'rev') === null ? null : Object.freeze(fieldsOf(columns));
}

/** The rows of a list, in which an outer join that found none stands for an empty one. */
export function listedRowsOf(rows: readonly unknown[]): readonly ListedRow[] {
  const found = rows.filter((columns) => textIn(columns, 'rev') !== null);
  return Object.freeze(found.map(listedRowOf));
}

function listedRowOf(columns: unknown): ListedRow {
  const id = idFromBytes(Buffer.from(textIn(columns, 'id') ?? '', 'hex'));
  return Object.freeze({ ...fieldsOf(columns), id });
}

export function numberIn(columns: unknown, name: string): number {
  const number = Number(textIn(columns, name) ?? Number.NaN);
  if (!Number.isFinite(number)) throw new TypeError(`column ${name} holds no number`);
  return number;
}

/** Throws when the row came from a standby, which may lag behind: nobody may read a token from there (F50). */
export function assertPrimary(columns: unknown): void {
  if (textIn(columns, 'standby') === 'true') {
    throw new Error('this server is a standby. Connect to the primary');
  }
}

function fieldsOf(columns: unknown): StoreRow {
  const state = textIn(columns, 'state');
  return {
    rev: numberIn(columns, 'rev'),
    state: isState(state) ? state : 'other',
    dueAt: instantIn(columns, 'due_at'),
    expiresAt: instantIn(columns, 'expires_at'),
    body: textIn(columns, 'body') ?? '',
  };
}

function isState(text: string | null): text is StoredState {
  return text !== null && STATES.has(text);
}

function instantIn(columns: unknown, name: string): number | null {
  return textIn(columns, name) === null ? null : numberIn(columns, name);
}

function textIn(columns: unknown, name: string): string | null {
  const value: unknown =
    typeof columns === 'object' && columns !== null ? Reflect.get(columns, name) : undefined;
  if (value === null) return null;
  if (typeof value !== 'string') throw new TypeError(`column ${name} holds no text`);
  return value;
}
