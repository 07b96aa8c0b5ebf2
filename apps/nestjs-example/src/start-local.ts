import { createHash } from 'node:crypto';

/** For a run beside an emulator: nothing to configure, and nothing is kept unless DATABASE_URL says where. */
process.env.DATABASE_PATH ??= ':memory:';
// The same at each start, so that what an earlier run left in a database can be opened. It seals tokens of an emulator.
const key = createHash('sha256').update('tokens of an emulator').digest('base64');
process.env.HIGHQ_ENCRYPTION_KEYS ??= `local:${key}`;
console.log('Sign in to the example as amara@hartwell-lyle.example, and at HighQ as user@clientname.com.');
console.log('Both passwords are "password".');
await import('./server.ts');
