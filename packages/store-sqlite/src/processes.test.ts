import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { StoreRow, StoreValue } from '@hq-oauth/core';
import { type CasEvent, findViolations } from '@hq-oauth/testkit/stores';
import { afterEach, describe, expect, it } from 'vitest';
import { Child } from './child.fixture.ts';
import { REGISTRATION } from './registration.fixture.ts';
import { sqliteStore } from './sqlite-store.ts';
import { testFolder } from './test-folder.fixture.ts';

const PROCESSES = 8;
const INCREMENTS = 200;
const COUNTERS = ['one', 'two'];
const VALUE: StoreValue = { body: '{}', state: 'connected', dueAt: null, expiresAt: null };

const children: Child[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) await child.kill();
});

function start(): Child {
  const child = new Child();
  children.push(child);
  return child;
}

function key(id: string): { registration: string; kind: 'grant'; id: string } {
  return { registration: REGISTRATION, kind: 'grant', id };
}

describe('several processes on one file', () => {
  it('both open a new file at the same moment, 25 times', async () => {
    const folder = testFolder();
    const [one, other] = [start(), start()];
    for (let round = 0; round < 25; round += 1) {
      const path = join(folder, `tokens-${round}.db`);
      for (const child of [one, other]) {
        child.tell({ do: 'open', path });
        child.tell({ do: 'insert', id: child === one ? 'one' : 'other' });
      }
      for (const child of [one, other]) {
        expect(await child.line()).toBe('"opened"');
        expect(JSON.parse(await child.line())).toMatchObject({ ok: true });
      }
      const store = sqliteStore({ path });
      expect((await store.read(key('one'))).row).not.toBeNull();
      expect((await store.read(key('other'))).row).not.toBeNull();
      await store.close();
    }
  });

  it(`F38 F53 lose none of ${PROCESSES} × ${INCREMENTS} increments by ${PROCESSES} processes`, async () => {
    const path = join(testFolder(), 'tokens.db');
    const racers = Array.from({ length: PROCESSES }, start);
    for (const racer of racers) expect(await racer.ask({ do: 'open', path })).toBe('opened');
    const histories = await Promise.all(
      racers.map((racer, index) =>
        racer.ask({ do: 'race', counters: COUNTERS, wins: INCREMENTS, worker: String(index) }),
      ),
    );
    const store = sqliteStore({ path });
    const rows = new Map<string, StoreRow | null>();
    for (const counter of COUNTERS) rows.set(counter, (await store.read(key(counter))).row);
    await store.close();
    const events = (histories as CasEvent[][]).flat();
    expect(events.filter(({ kind }) => kind === 'won')).toHaveLength(PROCESSES * INCREMENTS);
    expect(findViolations(events, rows).slice(0, 10)).toEqual([]);
  }, 300_000);

  it('keep what was acknowledged when a writer is killed in the middle, 6 times', async () => {
    const folder = testFolder();
    for (let round = 0; round < 6; round += 1) {
      const path = join(folder, `tokens-${round}.db`);
      const writer = start();
      expect(await writer.ask({ do: 'open', path })).toBe('opened');
      writer.tell({ do: 'write for ever', id: 'u' });
      for (let line = 0; line < 20 + 7 * round; line += 1) await writer.line();
      await writer.kill();
      const acknowledged = Number((await writer.rest()).at(-1) ?? 20 + 7 * round);

      const store = sqliteStore({ path });
      const { row } = await store.read(key('u'));
      // The last write may have been made without its acknowledgement having been read.
      expect([acknowledged, acknowledged + 1]).toContain(Number.parseInt(row?.body ?? '', 10));
      expect(row?.body).toMatch(/^\d+\.+$/);
      expect(row?.body).toHaveLength(40_000);
      expect((await store.cas(key('u'), row?.rev ?? 0, VALUE)).ok).toBe(true);
      await store.close();
      expect(integrityOf(path)).toBe('ok');
    }
  }, 120_000);

  it('go on when the holder of the write lock is killed, without its change', async () => {
    const path = join(testFolder(), 'tokens.db');
    const store = sqliteStore({ path });
    const first = await store.cas(key('u'), null, { ...VALUE, body: '{"before":true}' });
    const rev = first.ok ? first.rev : 0;
    const locker = start();
    expect(await locker.ask({ do: 'lock', path })).toBe('locked');
    const write = store.cas(key('u'), rev, { ...VALUE, body: '{"after":true}' });
    expect((await store.read(key('u'))).row?.body).toBe('{"before":true}');
    await locker.kill();
    expect(await write).toMatchObject({ ok: true });
    expect((await store.read(key('u'))).row?.body).toBe('{"after":true}');
    await store.close();
    expect(integrityOf(path)).toBe('ok');
  });
});

function integrityOf(path: string): unknown {
  const database = new DatabaseSync(path);
  try {
    return database.prepare('PRAGMA integrity_check').get()?.integrity_check;
  } finally {
    database.close();
  }
}
