import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { call, jsonOf, LIMITED, signIn, startEmulator, USER } from '../emulator.fixture.ts';

const XML = 'application/xml';

describe('sites', () => {
  it('come as XML by default and as JSON when asked for', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const xml = await call(emulator, access_token, '6/sites', { accept: '*/*' });
    expect(xml.headers.get('content-type')).toContain(XML);
    const text = await xml.text();
    expect(text.match(/<site>/g)).toHaveLength(5);
    expect(text).toContain('<sitename>M-2044 Northgate v. Calder &amp; Sons</sitename>');
    const { site } = await jsonOf<{ site: object[] }>(await call(emulator, access_token));
    expect(site).toHaveLength(5);
    expect(site[0]).toMatchObject({
      id: 101,
      rawsitesize: { deleteddocumentsize: 10485760 },
      module: { task: { enable: '1' } },
    });
  });

  it('of one are not wrapped in a list, and can be looked for by name', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    for (const path of ['6/sites?name=northgate', '6/sites/?name=northgate', '1/sites?name=NORTHGATE']) {
      expect(await (await call(emulator, access_token, path)).json()).toMatchObject({ site: { id: 102 } });
    }
    expect(await (await call(emulator, access_token, '6/sites?name=none')).json()).toEqual({ site: [] });
  });

  it.each([
    [XML, '<?xml version="1.0"?>\n<site><sitename>A &lt;new&gt; &amp; matter</sitename></site>'],
    ['application/json', '{"sitename":"A <new> & matter"}'],
  ])('are created from %s', async (type, body) => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const answer = await call(emulator, access_token, '6/sites', { method: 'POST', type, body });
    expect(answer.status).toBe(201);
    expect(await answer.json()).toMatchObject({ id: 106, sitename: 'A <new> & matter' });
    expect(await (await call(emulator, access_token, '6/sites?name=new')).json()).toMatchObject({
      site: { id: 106 },
    });
  });

  it.each([
    [XML, '<!DOCTYPE a [<!ENTITY b "c">]><site><sitename>&b;</sitename></site>'],
    [XML, '<site><sitename>&b;</sitename></site>'],
    [XML, '<site><sitename>a</site>'],
    [XML, '<site></site>'],
    ['application/json', '{"sitename":'],
    ['application/json', '["a"]'],
    ['application/json', '{"sitename":" "}'],
  ])('are not created from %s %s', async (type, body) => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    expect((await call(emulator, access_token, '6/sites', { method: 'POST', type, body })).status).toBe(400);
  });
});

describe('users and organisations', () => {
  it('may be read by a user, and others not by a restricted one', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const limited = (await signIn(emulator, LIMITED)).access_token;
    const user = await call(emulator, access_token, `6/users/${LIMITED}?type=email`);
    expect(await user.json()).toEqual({ userid: 2002, firstname: 'Sam', lastname: 'Reed', email: LIMITED });
    const xml = await call(emulator, access_token, `6/users/${USER}?type=email`, { accept: XML });
    expect(await xml.text()).toContain(`<user><userid>2001</userid><firstname>Alex</firstname>`);
    expect((await call(emulator, limited, `6/users/${LIMITED}?type=email`)).status).toBe(200);
    const denied = await call(emulator, limited, `6/users/${USER}?type=email`);
    expect(denied.status).toBe(403);
    expect(await denied.json()).toMatchObject({ statuscode: 403 });
    expect((await call(emulator, access_token, '6/users/a@b.example?type=email')).status).toBe(404);
    expect((await call(emulator, access_token, `6/users/${USER}`)).status).toBe(400);
    expect(
      await (await call(emulator, access_token, '6/organisations?searchTxt=calder')).json(),
    ).toMatchObject({
      organisation: { orgid: 302 },
    });
    const refused = await call(emulator, limited, '6/organisations', { accept: XML });
    expect(refused.status).toBe(403);
    expect(await refused.text()).toContain('You may not read organisations');
    expect(emulator.ledger.count({ kind: 'presented', tokenType: 'access', verdict: 'ok' })).toBe(7 + 1);
  });
});

interface Items {
  isheet: { totalrecordcount: number; head: { headcolumn: unknown[] }; data: { item: { itemid: number }[] } };
}

describe('iSheets', () => {
  it('name their sheets, views and columns', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const get = async (path: string): Promise<unknown> => (await call(emulator, access_token, path)).json();
    expect(await get('6/isheets?siteid=101')).toEqual({ isheet: { id: 401, name: 'Conditions precedent' } });
    expect(
      await (await call(emulator, access_token, '6/isheets?siteid=101', { accept: XML })).text(),
    ).toContain('<isheet><id>401</id><title>Conditions precedent</title></isheet>');
    expect(await get('6/isheets/admin/402/views')).toMatchObject({
      isheetview: [{ viewid: 502 }, { viewid: 503 }],
    });
    expect(await get('6/isheets/401/columns')).toMatchObject({
      column: [{ columnID: 601 }, {}, { type: 'Choice' }, {}],
    });
    expect(await get('6/tasks/status?siteid=101')).toEqual({
      status: [{ statusid: 1 }, { statusid: 2 }, { statusid: 3 }],
    });
    expect((await call(emulator, access_token, '6/isheets')).status).toBe(400);
    expect((await call(emulator, access_token, '6/isheets/9/columns')).status).toBe(404);
  });

  it('give their rows in pages, one row as an object', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const get = async (query: string): Promise<Items['isheet']> =>
      (await jsonOf<Items>(await call(emulator, access_token, `6/isheet/401/items${query}`))).isheet;
    const all = await get('');
    expect(all.totalrecordcount).toBe(7);
    expect(all.head.headcolumn).toHaveLength(4);
    expect(all.data.item.map(({ itemid }) => itemid)).toEqual([7001, 7002, 7003, 7004, 7005, 7006, 7007]);
    const page = await get('?sheetviewid=501&limit=2&offset=4');
    expect(page.totalrecordcount).toBe(7);
    expect(page.data.item.map(({ itemid }) => itemid)).toEqual([7005, 7006]);
    expect((await get('?limit=2&offset=6')).data.item).toMatchObject({ itemid: 7007 });
    expect((await get('?offset=7')).data.item).toEqual([]);
    expect(all.data.item[1]).toMatchObject({
      column: [
        { attributecolumnid: 601, rawdata: { value: 'Legal opinion <English law> & enforceability' } },
        { rawdata: { date: '2026-12-04' } },
        { rawdata: { choices: { choice: { label: 'Open' } } } },
        { displaydata: '4.2' },
      ],
    });
    for (const query of ['?limit=0', '?limit=x', '?offset=-1', '?limit=1e3']) {
      expect((await call(emulator, access_token, `6/isheet/401/items${query}`)).status).toBe(400);
    }
    expect((await call(emulator, access_token, '6/isheet/401/items?sheetviewid=502')).status).toBe(404);
    const xml = await (
      await call(emulator, access_token, '6/isheet/401/items?limit=1', { accept: XML })
    ).text();
    expect(xml).toContain('<isheet totalrecordcount="7"><head>');
    expect(xml).toContain(
      '<data><item><itemid>7001</itemid><column><attributecolumnid>601</attributecolumnid><rawdata><value>',
    );
  });
});

describe('documents', () => {
  it('are downloaded as the same bytes each time', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const size = 3 * 64 * 1024 + 17;
    const path = `6/documents/d1/content?size=${size}`;
    const first = await call(emulator, access_token, path);
    expect(first.headers.get('content-length')).toBe(String(size));
    const [a, b] = [await first.bytes(), await (await call(emulator, access_token, path)).bytes()];
    expect(a.byteLength).toBe(size);
    expect(Buffer.compare(a, b)).toBe(0);
    expect(
      (await call(emulator, access_token, '6/documents/d1/content?size=0')).headers.get('content-length'),
    ).toBe('0');
    expect((await call(emulator, access_token, `6/documents/d1/content?size=${1024 ** 3 + 1}`)).status).toBe(
      400,
    );
  });

  it.each(['PUT', 'POST'])('are uploaded with %s as a stream that is counted', async (method) => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    const body = new Uint8Array(300_000).fill(7);
    const answer = await call(emulator, access_token, '6/documents/d2/content', { method, body });
    const sha256 = createHash('sha256').update(body).digest('hex');
    expect(await answer.json()).toEqual({ id: 'd2', size: 300_000, sha256 });
  });
});

describe('authorization', () => {
  it('is asked for everywhere, also where nothing is', async () => {
    const emulator = await startEmulator();
    const { access_token } = await signIn(emulator);
    for (const authorization of ['', 'Bearer', 'Basic abc', `Token ${access_token}`]) {
      const answer = await fetch(`${emulator.instanceUrl}/api/6/sites`, { headers: { authorization } });
      expect(answer.status).toBe(403);
    }
    expect((await fetch(`${emulator.instanceUrl}/api/6/nothing`)).status).toBe(403);
    expect((await call(emulator, access_token, '6/nothing')).status).toBe(404);
    expect((await call(emulator, access_token, 'x/sites')).status).toBe(404);
    expect((await call(emulator, access_token, '6/sites', { method: 'DELETE' })).status).toBe(404);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('ok');
    const lower = await fetch(`${emulator.instanceUrl}/api/6/sites`, {
      headers: { authorization: `bearer ${access_token}` },
    });
    expect(lower.status).toBe(200);
  });

  it('takes no refresh token for an access token', async () => {
    const emulator = await startEmulator();
    const { refresh_token } = await signIn(emulator);
    expect((await call(emulator, refresh_token)).status).toBe(403);
    expect(emulator.ledger.entries.at(-1)?.verdict).toBe('unknown');
  });
});
