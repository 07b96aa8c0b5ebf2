import {
  asList,
  type Connection,
  type ConnectionStatus,
  createTokenManager,
  isHighQError,
  memoryStore,
  readAnswer,
  type TokenManager,
  type TokenStore,
} from '@hq-oauth/core';
import { fileJournal } from '@hq-oauth/core/file-journal';
import { ManualClock } from '@hq-oauth/core/testing';

const store: TokenStore = memoryStore();
const manager: TokenManager = createTokenManager({
  instanceUrl: 'https://acme.highq.com/acme',
  clientId: '1012',
  clientSecret: async () => 'secret',
  redirectUri: 'https://matters.example.com/highq/callback',
  encryption: { keys: [{ id: '1', key: Buffer.alloc(32, 7).toString('base64') }] },
  store,
  clock: new ManualClock(),
});
const connection: Connection = manager.connection('user-17');

async function sites(): Promise<readonly unknown[]> {
  const answer = await readAnswer<{ site?: unknown }>(await connection.fetch('6/sites'));
  return asList(answer.site);
}

async function main(): Promise<void> {
  const status: ConnectionStatus = await connection.status();
  if (status.state !== 'disconnected') throw new Error(status.state);
  try {
    await sites();
    throw new Error('a call without a sign-in');
  } catch (error) {
    if (!isHighQError(error) || error.code !== 'not_connected') throw error;
    const answered: number = error.status;
    console.log(error.name, answered, error.docsUrl, typeof fileJournal);
  }
  await manager.close();
}

void main();
