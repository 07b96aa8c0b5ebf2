import { fileURLToPath } from 'node:url';
import { refusesToStart, serverWalk } from 'example-kit/testing';

const server = fileURLToPath(new URL('../dist/server.js', import.meta.url));

serverWalk({ database: 'SQLite', server, health: 'up' });
refusesToStart(server, /HIGHQ_INSTANCE_URL.*HIGHQ_CLIENT_ID.*HIGHQ_ENCRYPTION_KEYS/s);
