import { createTokenManager, type TokenStore } from '@hq-oauth/core';
import { type SqliteStoreOptions, sqliteStore } from '@hq-oauth/store-sqlite';

async function main(): Promise<void> {
  const options: SqliteStoreOptions = { path: ':memory:' };
  const store = sqliteStore(options);
  const shared: TokenStore = store;
  const manager = createTokenManager({
    instanceUrl: 'https://acme.highq.com/acme',
    clientId: '1012',
    clientSecret: 'secret',
    redirectUri: 'https://matters.example.com/highq/callback',
    encryption: false,
    store: shared,
  });
  const { state } = await manager.connection('user-17').status();
  console.log(state);
  await manager.close();
  await store.close();
}

void main();
