import { randomBytes } from 'node:crypto';
import { createEmulator } from '@hq-oauth/emulator';

/** The example with an emulator in the same process: nothing to configure, and nothing is kept. */
const emulator = await createEmulator({ port: Number(process.env.EMULATOR_PORT ?? 4310), clock: 'virtual' });
Object.assign(process.env, emulator.env, {
  DATABASE_PATH: ':memory:',
  HIGHQ_ENCRYPTION_KEYS: `start:${randomBytes(32).toString('base64')}`,
});
console.log(`Emulator: ${emulator.url}/_emulator/ui (sign in at HighQ as user@clientname.com, password)`);
console.log('Sign in to the example as amara@hartwell-lyle.example, password');
await import('./server.ts');
await emulator.close();
