import { httpTo } from 'example-kit/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BothInstances, startBoth } from './example.fixture.ts';

const HOUR = 3_600_000;

describe('two instances by host name', () => {
  let both: BothInstances;
  beforeEach(async () => {
    both = await startBoth();
  });
  afterEach(() => both.close());

  async function connect({ emulator, manager }: BothInstances['acme']): Promise<void> {
    const { code } = await emulator.authorize({});
    await manager.connection('amara').exchangeCode(code);
  }

  it('F110 keep the connections of one person apart, though they share the store', async () => {
    const [acme, borealis] = [httpTo(both.acme.url), httpTo(both.borealis.url)];
    await connect(both.acme);
    const [atAcme, atBorealis] = [await acme.session(), await borealis.session()];
    expect(await (await acme.page('/matters', atAcme)).text()).toContain('Harbour Wind Farm');
    expect((await borealis.page('/matters', atBorealis)).status).toBe(401);

    await connect(both.borealis);
    both.acme.emulator.clock.advance(6 * HOUR);
    const page = await (await borealis.page('/matters', atBorealis)).text();
    expect(page).toContain('Fjord ferries');
    expect(page).not.toContain('Harbour Wind Farm');
    expect(await (await acme.page('/matters', atAcme)).text()).toContain('Harbour Wind Farm');
    expect([both.acme, both.borealis].map(({ emulator }) => emulator.ledger.refreshes())).toEqual([1, 1]);

    await both.acme.manager.connection('amara').disconnect();
    expect((await acme.page('/matters', atAcme)).status).toBe(401);
    expect((await borealis.page('/matters', atBorealis)).status).toBe(200);
  });

  it('F88 each lead to their own sign-in, and no code of one is used at the other', async () => {
    const [acme, borealis] = [httpTo(both.acme.url), httpTo(both.borealis.url)];
    const cookie = await acme.session();
    const begun = await acme.send('/highq/connect', {
      method: 'POST',
      headers: { cookie, origin: both.acme.url },
    });
    const target = new URL(begun.headers.get('location') ?? '');
    expect(target.href).toContain(`${both.acme.emulator.instanceUrl}/authorize.action`);
    expect(target.searchParams.get('redirect_uri')).toBe(`${both.acme.url}/highq/callback`);
    const transaction = begun.headers.getSetCookie()[0]?.split(';')[0];

    const { code } = await both.borealis.emulator.authorize({});
    const session = await borealis.session();
    const mixed = await borealis.page(`/highq/callback?code=${code}`, `${session}; ${transaction}`);
    expect(mixed.status).toBe(400);
    for (const { emulator } of [both.acme, both.borealis]) {
      expect(emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(0);
    }
  });

  it('take no session of each other, no form from each other, and no other host', async () => {
    const [acme, borealis] = [httpTo(both.acme.url), httpTo(both.borealis.url)];
    expect((await borealis.page('/matters', await acme.session())).status).toBe(303);
    expect((await borealis.login({}, { origin: both.acme.url })).status).toBe(403);
    const elsewhere = await httpTo(both.acme.url.replace('acme', 'evil')).page('/matters', '');
    expect([elsewhere.status, await elsewhere.text()]).toEqual([
      421,
      expect.stringContaining('not known by this name'),
    ]);
  });
});
