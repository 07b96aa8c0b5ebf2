import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { isHighQError, type StoreValue, type TokenStore } from '@hq-oauth/core';
import { raceOnCounters } from '@hq-oauth/testkit/stores';
import { REGISTRATION } from './registration.fixture.ts';
import { sqliteStore } from './sqlite-store.ts';

export type Command =
  /** Opens the file as a store and closes the one before. */
  | { readonly do: 'open'; readonly path: string }
  /** Writes a new row. */
  | { readonly do: 'insert'; readonly id: string; readonly bytes?: number }
  | {
      readonly do: 'race';
      readonly counters: readonly string[];
      readonly wins: number;
      readonly worker: string;
    }
  /** Writes one row without end, and prints the number of each write once it is acknowledged. */
  | { readonly do: 'write for ever'; readonly id: string }
  /** Takes the write lock by a connection of its own, with an uncommitted change of every row. */
  | { readonly do: 'lock'; readonly path: string }
  | { readonly do: 'unlock' };

const userId = process.argv[2] === undefined ? null : Number(process.argv[2]);
if (userId !== null) {
  process.setgroups?.([]);
  process.setgid?.(userId);
  process.setuid?.(userId);
}

const held: { store: TokenStore | null; locker: DatabaseSync | null } = { store: null, locker: null };

async function carryOut(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'open':
      await held.store?.close();
      held.store = sqliteStore({ path: command.path });
      return 'opened';
    case 'insert':
      return opened().cas(key(command.id), null, value('x'.repeat(command.bytes ?? 10)));
    case 'race': {
      const { counters, wins, worker } = command;
      return raceOnCounters(opened(), { registration: REGISTRATION, counters, until: { wins }, worker });
    }
    case 'write for ever':
      for (let rev: number | null = null, count = 1; ; count += 1) {
        // A body of many pages, so that a kill also falls between the writes of one transaction.
        const result = await opened().cas(key(command.id), rev, value(`${count}`.padEnd(40_000, '.')));
        if (!result.ok) throw new Error('nobody else writes');
        rev = result.rev;
        writeSync(1, `${count}\n`);
      }
    case 'lock':
      held.locker = new DatabaseSync(command.path);
      held.locker.exec("BEGIN IMMEDIATE; UPDATE hq_row SET body = 'never committed'");
      return 'locked';
    case 'unlock':
      held.locker?.exec('ROLLBACK');
      return 'unlocked';
    default:
      return command satisfies never;
  }
}

function opened(): TokenStore {
  if (!held.store) throw new Error('no store is open');
  return held.store;
}

function key(id: string): { registration: string; kind: 'grant'; id: string } {
  return { registration: REGISTRATION, kind: 'grant', id };
}

function value(body: string): StoreValue {
  return { body, state: 'connected', dueAt: null, expiresAt: null };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await carryOut(JSON.parse(line)).catch((error: unknown) => ({
    code: isHighQError(error) ? error.code : 'unexpected',
    message: String(error),
    cause: error instanceof Error ? String(error.cause) : '',
  }));
  writeSync(1, `${JSON.stringify(answer)}\n`);
}
await held.store?.close();
