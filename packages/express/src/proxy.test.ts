import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { highq, highqErrors, highqProxy, type ProxyOptions, requireHighQ } from './index.ts';
import { type Served, serve, userOf } from './served.fixture.ts';

// What Express alone can show, and sizes that would be too much for each framework of the adapter suite.

const MIB = 1024 * 1024;
/** What 64 MiB may take on a machine that does other things as well. */
const LOADED_MS = 30_000;
const SAME = { 'sec-fetch-site': 'same-origin' };
let served: Served;
afterEach(() => served.close());

async function open(options: ProxyOptions = {}): Promise<void> {
  served = await serve((app, manager) => {
    app.use('/early', highqProxy());
    app.use(highq({ manager, connectionId: userOf }));
    app.use('/highq-api', requireHighQ(), highqProxy(options));
    app.use('/bare', highqProxy());
    app.use('/other', highqProxy({ as: 'other' }));
    app.use(highqErrors());
  });
}

describe('highqProxy()', () => {
  it(
    'streams down: 64 MiB, byte for byte, while another caller renews the token',
    async () => {
      await open();
      const path = `6/documents/1/content?size=${64 * MIB}`;
      const response = await served.get(`/highq-api/${path}`);
      expect(response.headers.get('content-length')).toBe(String(64 * MIB));
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const chunk of response.body ?? []) {
        if (bytes === 0) await served.manager.connection('ann').refresh({ force: true });
        hash.update(chunk);
        bytes += chunk.byteLength;
      }
      const direct = await served.manager.connection('ann').fetch(path);
      const expected = createHash('sha256');
      for await (const chunk of direct.body ?? []) expected.update(chunk);
      expect([bytes, hash.digest('hex')]).toEqual([64 * MIB, expected.digest('hex')]);
    },
    LOADED_MS,
  );

  it('streams up: 32 MiB, byte for byte, while another caller renews the token', async () => {
    await open({ allow: ['PUT'] });
    const block = Buffer.alloc(64 * 1024, 7);
    const expected = createHash('sha256');
    let sent = 0;
    const body = new Readable({
      async read() {
        if (sent === 0) await served.manager.connection('ann').refresh({ force: true });
        if (sent >= 32 * MIB) return void this.push(null);
        sent += block.byteLength;
        expected.update(block);
        this.push(block);
      },
    });
    const outgoing = request(`${served.url}/highq-api/6/documents/7/content`, {
      method: 'PUT',
      agent: false,
      headers: { cookie: 'user=ann', ...SAME, accept: 'application/json' },
    });
    body.pipe(outgoing);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    expect(await text(response)).toContain(expected.digest('hex'));
  });

  it('says what is wrong when it comes without highq(), or asks for another name', async () => {
    await open();
    for (const path of ['/early', '/other']) {
      const response = await served.get(`${path}/6/sites`);
      expect([response.status, await response.json()]).toMatchObject([500, { code: 'configuration' }]);
    }
  });

  it('lets nobody in who is anonymous, also where requireHighQ() was forgotten', async () => {
    await open();
    expect((await served.get('/bare/6/sites')).status).toBe(200);
    expect((await served.get('/bare/6/sites', { cookie: '' })).status).toBe(401);
  });
});
