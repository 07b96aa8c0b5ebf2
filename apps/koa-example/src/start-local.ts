import { randomBytes } from 'node:crypto';
import { createEmulator, type Emulator } from '@hq-oauth/emulator';
import { BOREALIS } from './borealis.ts';
import { variable } from './config.ts';

/** For a run without any instance: two emulators on one virtual clock, nothing to configure, and nothing is kept. */
const tokenMarker = process.env.HQ_EMULATOR_TOKEN_MARKER ?? '';
const acme = await createEmulator({ port: 4311, instance: 'acme', tokenMarker });
const borealis = await createEmulator({ ...BOREALIS, port: 4312, clock: acme.clock, tokenMarker });

process.env.DATABASE_PATH ??= ':memory:';
process.env.HIGHQ_ENCRYPTION_KEYS ??= `local:${randomBytes(32).toString('base64')}`;
process.env.HIGHQ_ALLOW_LOOPBACK = acme.env.HIGHQ_ALLOW_LOOPBACK;
process.env.HIGHQ_TEST_CLOCK = acme.env.HIGHQ_TEST_CLOCK;
registered('acme', acme);
registered('borealis', borealis);
console.log('Sign in to the example as amara@hartwell-lyle.example, and at HighQ as user@clientname.com.');
console.log('Both passwords are "password".');
console.log(`The clock of both instances: ${acme.url}/_emulator/ui/clock`);
// Ends with the server.
await import('./server.ts');
await Promise.all([acme.close(), borealis.close()]);

function registered(name: string, { env }: Emulator): void {
  process.env[variable('HIGHQ_INSTANCE_URL', name)] = env.HIGHQ_INSTANCE_URL;
  process.env[variable('HIGHQ_CLIENT_ID', name)] = env.HIGHQ_CLIENT_ID;
  process.env[variable('HIGHQ_CLIENT_SECRET', name)] = env.HIGHQ_CLIENT_SECRET;
}
