import { randomBytes } from 'node:crypto';

/** For a run beside an emulator: nothing to configure, and nothing is kept. */
process.env.DATABASE_PATH ??= ':memory:';
process.env.HIGHQ_ENCRYPTION_KEYS ??= `local:${randomBytes(32).toString('base64')}`;
console.log('Sign in to the example as amara@hartwell-lyle.example, and at HighQ as user@clientname.com.');
console.log('Both passwords are "password".');
await import('./server.ts');
