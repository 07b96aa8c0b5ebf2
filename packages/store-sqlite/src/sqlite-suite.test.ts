import { join } from 'node:path';
import type { TokenStore } from '@hq-oauth/core';
import { ManualClock } from '@hq-oauth/core/testing';
import { storeSuite } from '@hq-oauth/testkit/stores';
import { sqliteStore } from './sqlite-store.ts';
import { testFolder } from './test-folder.fixture.ts';

const clock = new ManualClock();
const paths = new WeakMap<TokenStore, string>();

function open(path: string): TokenStore {
  const store = sqliteStore({ path, clock });
  paths.set(store, path);
  return store;
}

storeSuite({
  name: 'sqlite',
  clock,
  create: async () => open(join(testFolder(), 'tokens.db')),
  reopen: async (store) => open(paths.get(store) ?? ''),
});

storeSuite({
  name: 'sqlite in memory',
  clock,
  create: async () => sqliteStore({ path: ':memory:', clock }),
});
