import { createHash, randomUUID } from 'node:crypto';
import type { Context, Hono } from 'hono';
import { html } from 'hono/html';
import { bearerOf, type Env, readText } from '../exchange.ts';
import { narrowPage } from '../pages.ts';
import { isObject } from '../refusal.ts';
import { formatFor, formatted, jsonResponse, pageResponse, xmlResponse } from '../respond.ts';
import type { Isheet, Site, User } from '../seed.ts';
import type { World } from '../world.ts';
import { readFlatXml, type XmlValue } from '../xml.ts';

const LARGEST_DOCUMENT_BYTES = 1024 ** 3;
const DEFAULT_DOCUMENT_BYTES = 10 * 1024 ** 2;
const LARGEST_BODY_BYTES = 1024 ** 2;
const MOST_ITEMS = 500;

type Call = Context<Env>;
/** A call by a user whose token is good. */
type Handler = (c: Call, user: User) => Response | Promise<Response>;

function answer(c: Call, root: string, value: XmlValue, status = 200): Response {
  return formatted(status, formatFor(c.req.header('accept') ?? null, 'xml'), root, value);
}

function failure(c: Call, status: number, message: string): Response {
  return answer(c, 'response', { statuscode: status, message }, status);
}

async function deadTokenAnswer(world: World): Promise<Response> {
  const value = { statuscode: 403, message: 'Access denied' };
  const { expiredAnswer } = world.switches;
  switch (expiredAnswer) {
    case 'xml-403':
      return xmlResponse(403, 'response', value);
    case 'json-403':
      return jsonResponse(403, value);
    case 'html-403':
      return pageResponse(403, await narrowPage('Access denied', html`<p>You may not open this page.</p>`));
    case '401':
      return xmlResponse(401, 'response', { ...value, statuscode: 401 });
    default:
      return expiredAnswer satisfies never;
  }
}

function siteValue(site: Site): XmlValue {
  return {
    id: site.id,
    sitename: site.sitename,
    sitedescription: site.description,
    rawsitesize: { totalsize: site.totalsize, deleteddocumentsize: site.deleteddocumentsize },
    module: { task: { enable: '1' } },
  };
}

/** A whole number from `least` in the query, `otherwise` when absent, `null` when it is something else. */
function numberIn(c: Call, name: string, otherwise: number, least = 0): number | null {
  const text = c.req.query(name);
  if (text === undefined || text === '') return otherwise;
  const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
  return value >= least ? value : null;
}

function rawData(type: string, cell: string): XmlValue {
  if (type === 'Date') return { date: cell, time: '00:00' };
  if (type === 'Choice') return { choices: { choice: { label: cell } } };
  return { value: cell };
}

function itemsValue(sheet: Isheet, offset: number, limit: number): XmlValue {
  return {
    '@totalrecordcount': sheet.rows.length,
    head: {
      headcolumn: sheet.columns.map((column, index) => ({
        columnid: column.columnID,
        columnvalue: column.title,
        columntypealias: column.type,
        sequence: index + 1,
      })),
    },
    data: {
      item: sheet.rows.slice(offset, offset + limit).map((row) => ({
        itemid: row.itemid,
        column: sheet.columns.map((column, index) => ({
          attributecolumnid: column.columnID,
          rawdata: rawData(column.type, row.cells[index] ?? ''),
          displaydata: row.cells[index] ?? '',
        })),
      })),
    },
  };
}

/** XML has the sheet as its root; JSON has it as the member `isheet`. */
function itemsAnswer(c: Call, value: XmlValue): Response {
  const format = formatFor(c.req.header('accept') ?? null, 'xml');
  return format === 'xml'
    ? xmlResponse(200, 'isheet', value)
    : formatted(200, 'json', 'isheet', { isheet: value });
}

async function createSite(world: World, c: Call): Promise<Response> {
  const text = await readText(c.req.raw, LARGEST_BODY_BYTES);
  if (text === null) return failure(c, 413, 'The document is too large');
  let members: { readonly [name: string]: unknown } | null = null;
  if ((c.req.header('content-type') ?? '').includes('json')) {
    try {
      const value: unknown = JSON.parse(text);
      members = isObject(value) ? value : null;
    } catch {
      members = null;
    }
  } else members = readFlatXml(text, 'site');
  const name = members?.sitename;
  if (typeof name !== 'string' || name.trim() === '') return failure(c, 400, 'sitename is required');
  const description = members?.sitedescription;
  const site: Site = {
    id: Math.max(100, ...world.data.sites.map(({ id }) => id)) + 1,
    sitename: name.trim(),
    description: typeof description === 'string' ? description : '',
    totalsize: 0,
    deleteddocumentsize: 0,
  };
  world.data.sites.push(site);
  return answer(c, 'site', siteValue(site), 201);
}

/** The same bytes for the same place in the document, whatever its size. */
function patternBlock(): Uint8Array<ArrayBuffer> {
  const block = new Uint8Array(64 * 1024);
  for (let index = 0; index < block.length; index += 1) block[index] = (index * 31 + (index >> 8)) & 0xff;
  return block;
}

const BLOCK = patternBlock();

function download(c: Call): Response {
  const size = numberIn(c, 'size', DEFAULT_DOCUMENT_BYTES);
  if (size === null || size > LARGEST_DOCUMENT_BYTES) return failure(c, 400, 'size takes bytes up to 1 GiB');
  let left = size;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left === 0) return controller.close();
      const chunk = BLOCK.slice(0, Math.min(left, BLOCK.length));
      left -= chunk.length;
      controller.enqueue(chunk);
    },
  });
  return new Response(c.req.method === 'HEAD' ? null : stream, {
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(size),
      'content-disposition': `attachment; filename="document.bin"`,
    },
  });
}

async function upload(world: World, c: Call): Promise<Response> {
  const hash = createHash('sha256');
  let size = 0;
  if (c.req.raw.body) {
    for await (const chunk of c.req.raw.body) {
      hash.update(chunk);
      size += chunk.byteLength;
    }
  }
  const id = c.req.param('id') || randomUUID();
  const record = { id, size, sha256: hash.digest('hex'), uploadedAt: world.clock.now() };
  world.data.documents.set(id, record);
  return answer(c, 'document', { id, size, sha256: record.sha256 });
}

function userAnswer(world: World, c: Call, caller: User): Response {
  const email = (c.req.param('email') ?? '').toLowerCase();
  if (c.req.query('type') !== 'email') return failure(c, 400, 'type=email is required');
  if (caller.restricted && email !== caller.email) return failure(c, 403, 'You may not read this user');
  const user = world.data.users.get(email);
  if (!user) return failure(c, 404, 'There is no such user');
  const { id, firstName, lastName } = user;
  return answer(c, 'user', { userid: id, firstname: firstName, lastname: lastName, email: user.email });
}

function organisationsAnswer(world: World, c: Call, caller: User): Response {
  if (caller.restricted) return failure(c, 403, 'You may not read organisations');
  const text = (c.req.query('searchTxt') ?? '').toLowerCase();
  const status = (c.req.query('status') ?? '').toLowerCase();
  const found = world.data.organisations.filter(
    (organisation) =>
      organisation.name.toLowerCase().includes(text) &&
      (status === '' || organisation.status.toLowerCase() === status) &&
      organisation.url.includes(c.req.query('domain') ?? ''),
  );
  return answer(c, 'organisations', { organisation: found.map((organisation) => ({ ...organisation })) });
}

function sheetsAnswer(world: World, c: Call): Response {
  const siteId = numberIn(c, 'siteid', 0, 1);
  if (siteId === null || siteId === 0) return failure(c, 400, 'siteid takes the id of a site');
  const sheets = world.data.isheets.filter((sheet) => sheet.siteId === siteId);
  // JSON calls it name, XML title: programs in the field read the one here and the other there.
  const format = formatFor(c.req.header('accept') ?? null, 'xml');
  const isheet = sheets.map(({ id, title }) => (format === 'json' ? { id, name: title } : { id, title }));
  return answer(c, 'isheets', { isheet });
}

function sheetOf(world: World, c: Call): Isheet | undefined {
  return world.data.isheets.find((sheet) => String(sheet.id) === c.req.param('id'));
}

function itemsOf(world: World, c: Call): Response {
  const sheet = sheetOf(world, c);
  if (!sheet) return failure(c, 404, 'There is no such iSheet');
  const view = c.req.query('sheetviewid');
  if (view && !sheet.views.some(({ viewid }) => String(viewid) === view)) {
    return failure(c, 404, 'There is no such view');
  }
  const [offset, limit] = [numberIn(c, 'offset', 0), numberIn(c, 'limit', 50, 1)];
  if (offset === null || limit === null) return failure(c, 400, 'offset and limit take whole numbers');
  return itemsAnswer(c, itemsValue(sheet, offset, Math.min(limit, MOST_ITEMS)));
}

export function apiRoutes(app: Hono<Env>, world: World): void {
  const api = `${world.base}/api/:version{[0-9]+}`;

  const authorized =
    (handler: Handler) =>
    async (c: Call): Promise<Response> => {
      const token = bearerOf(c.req.raw);
      if (token === null) return deadTokenAnswer(world);
      const { verdict, user } = world.tokens.presentAccess(token, c.env.exchange.trail);
      if (verdict !== 'ok' || !user) return deadTokenAnswer(world);
      if (c.env.exchange.forbid) return failure(c, 403, 'You do not have permission for this action');
      return handler(c, user);
    };
  const get = (path: string, handler: Handler): void => {
    app.get(`${api}${path}`, authorized(handler));
  };

  const sites: Handler = (c) => {
    const name = (c.req.query('name') ?? '').toLowerCase();
    const found = world.data.sites.filter((site) => site.sitename.toLowerCase().includes(name));
    return answer(c, 'sites', { site: found.map(siteValue) });
  };
  get('/sites', sites);
  get('/sites/', sites);
  get('/sites/:id', (c) => {
    const site = world.data.sites.find(({ id }) => String(id) === c.req.param('id'));
    return site ? answer(c, 'site', siteValue(site)) : failure(c, 404, 'There is no such site');
  });
  app.post(
    `${api}/sites`,
    authorized((c) => createSite(world, c)),
  );
  get('/users/:email', (c, user) => userAnswer(world, c, user));
  get('/organisations', (c, user) => organisationsAnswer(world, c, user));
  get('/isheets', (c) => sheetsAnswer(world, c));
  get('/isheets/admin', (c) => sheetsAnswer(world, c));
  get('/isheets/admin/:id/views', (c) => {
    const sheet = sheetOf(world, c);
    if (!sheet) return failure(c, 404, 'There is no such iSheet');
    return answer(c, 'isheetviews', { isheetview: sheet.views.map((view) => ({ ...view })) });
  });
  get('/isheets/:id/columns', (c) => {
    const sheet = sheetOf(world, c);
    if (!sheet) return failure(c, 404, 'There is no such iSheet');
    return answer(c, 'columns', { column: sheet.columns.map((column) => ({ ...column })) });
  });
  get('/isheet/:id/items', (c) => itemsOf(world, c));
  get('/tasks/status', (c) => answer(c, 'statuses', { status: [1, 2, 3].map((statusid) => ({ statusid })) }));
  get('/documents/:id/content', download);
  app.on(
    ['PUT', 'POST'],
    `${api}/documents/:id/content`,
    authorized((c) => upload(world, c)),
  );
  app.all(
    `${world.base}/api/*`,
    authorized((c) => failure(c, 404, 'There is no such endpoint')),
  );
}
