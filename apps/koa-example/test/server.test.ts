import { fileURLToPath } from 'node:url';
import { refusesToStart, serverWalk } from 'example-kit/testing';
import { variable } from '../src/config.ts';

const server = fileURLToPath(new URL('../dist/server.js', import.meta.url));

serverWalk({
  database: 'SQLite',
  server,
  health: 'up',
  url: (port) => `http://acme.localhost:${port}`,
  variables: ({ env, registrations }) => {
    // One emulator is enough here: a registration of its own makes the second instance another one.
    const other = registrations.add({ clientId: '2040' });
    return {
      [variable('HIGHQ_INSTANCE_URL', 'acme')]: env.HIGHQ_INSTANCE_URL,
      [variable('HIGHQ_CLIENT_ID', 'acme')]: env.HIGHQ_CLIENT_ID,
      [variable('HIGHQ_CLIENT_SECRET', 'acme')]: env.HIGHQ_CLIENT_SECRET,
      [variable('HIGHQ_INSTANCE_URL', 'borealis')]: env.HIGHQ_INSTANCE_URL,
      [variable('HIGHQ_CLIENT_ID', 'borealis')]: other.clientId,
      [variable('HIGHQ_CLIENT_SECRET', 'borealis')]: other.clientSecret,
    };
  },
});
refusesToStart(server, /HIGHQ_INSTANCE_URL_ACME.*HIGHQ_CLIENT_SECRET_ACME.*HIGHQ_INSTANCE_URL_BOREALIS/s);
