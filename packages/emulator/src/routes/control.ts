import type { Hono } from 'hono';
import type { Env } from '../exchange.ts';
import { readText } from '../exchange.ts';
import { checkFault } from '../faults.ts';
import type { LedgerEntry } from '../ledger.ts';
import { authorize, revoke } from '../operations.ts';
import { isObject, type JsonObject, RefusedError, refuseUnknownMembers } from '../refusal.ts';
import { describeState } from '../state-report.ts';
import { mergeSwitches } from '../switches.ts';
import type { World } from '../world.ts';

const MOST_UNREAD_EVENTS = 10_000;
const LARGEST_BODY_BYTES = 4 * 1024 ** 2;

async function bodyOf(request: Request): Promise<JsonObject> {
  const text = await readText(request, LARGEST_BODY_BYTES);
  if (text === null) throw new RefusedError('the body is too large');
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RefusedError('the body is not JSON');
  }
  if (!isObject(value)) throw new RefusedError('the body takes an object');
  return value;
}

function optionalText(body: JsonObject, member: string): string | undefined {
  const value = body[member];
  if (value === undefined || typeof value === 'string') return value;
  throw new RefusedError(`${member} takes a text`);
}

function requiredNumber(body: JsonObject, member: string): number {
  const value = body[member];
  if (typeof value !== 'number') throw new RefusedError(`${member} takes a number`);
  return value;
}

function clockRoutes(app: Hono<Env>, world: World): void {
  app.get('/_emulator/clock', (c) => c.json(world.clock.read()));
  app.post('/_emulator/clock', async (c) => {
    const body = await bodyOf(c.req.raw);
    refuseUnknownMembers(body, ['advanceMs', 'at', 'rate'], 'clock');
    if (Object.keys(body).length === 0) throw new RefusedError('clock takes advanceMs, at or rate');
    if ('rate' in body) world.clock.setRate(requiredNumber(body, 'rate'));
    if ('at' in body) world.clock.set(requiredNumber(body, 'at'));
    if ('advanceMs' in body) world.clock.advance(requiredNumber(body, 'advanceMs'));
    return c.json(world.clock.read());
  });
}

function faultRoutes(app: Hono<Env>, world: World): void {
  app.get('/_emulator/faults', (c) => c.json({ faults: world.faults.list() }));
  app.post('/_emulator/faults', async (c) => {
    const body: unknown = await bodyOf(c.req.raw);
    checkFault(body);
    return c.json(world.faults.add(body), 201);
  });
  app.delete('/_emulator/faults', (c) => {
    world.faults.clear();
    return c.json({ faults: [] });
  });
  app.delete('/_emulator/faults/:id', (c) => {
    if (!world.faults.remove(c.req.param('id'))) throw new RefusedError('there is no such fault', 404);
    return c.json({ faults: world.faults.list() });
  });
}

function historyRoutes(app: Hono<Env>, world: World): void {
  app.get('/_emulator/ledger', (c) => {
    const after = Number(c.req.query('after') ?? 0);
    const wanted = (entry: Readonly<LedgerEntry>): boolean =>
      entry.seq > after &&
      (['kind', 'tokenType', 'verdict', 'user', 'clientId', 'grantId', 'grantType'] as const).every(
        (member) => {
          const value = c.req.query(member);
          return value === undefined || value === entry[member];
        },
      );
    const { ledger, requests } = world;
    return c.json({
      counts: {
        refreshes: ledger.refreshes(),
        presentedTwice: ledger.presentedTwice(),
        unread: ledger.unread().length,
        apiCalls: requests.count({ endpoint: 'api' }),
        apiCallsAnswered403: requests.count({ endpoint: 'api', status: 403 }),
        expiredAccessTokensPresented: ledger.count({
          kind: 'presented',
          tokenType: 'access',
          verdict: 'expired',
        }),
      },
      entries: ledger.entries.filter(wanted),
    });
  });
  app.get('/_emulator/requests', (c) =>
    c.json({ total: world.requests.count(), entries: world.requests.entries }),
  );
  app.get('/_emulator/events', (c) => {
    const encoder = new TextEncoder();
    let end = (): void => {};
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        const send = (type: string, value: unknown): void => {
          // A reader that does not read must not fill the memory.
          if ((controller.desiredSize ?? 0) < -MOST_UNREAD_EVENTS) return;
          controller.enqueue(encoder.encode(`event: ${type}\ndata: ${JSON.stringify(value)}\n\n`));
        };
        send('clock', world.clock.read());
        end = world.events.listen((event) =>
          send(event.type, event.type === 'clock' ? event.reading : event.entry),
        );
        c.req.raw.signal.addEventListener('abort', end, { once: true });
      },
      cancel() {
        end();
      },
    });
    return c.body(stream, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  });
}

function directoryRoutes(app: Hono<Env>, world: World): void {
  app.get('/_emulator/registrations', (c) => c.json({ registrations: world.registrations.list() }));
  app.post('/_emulator/registrations', async (c) => {
    const body = await bodyOf(c.req.raw);
    const clientId = optionalText(body, 'clientId');
    if (clientId !== undefined && world.registrations.get(clientId)) {
      return c.json(world.registrations.update(clientId, body));
    }
    return c.json(world.registrations.add(body), 201);
  });
  app.get('/_emulator/users', (c) => c.json({ users: world.users.list() }));
  app.post('/_emulator/users', async (c) => {
    const body = await bodyOf(c.req.raw);
    const email = optionalText(body, 'email');
    if (email === undefined) throw new RefusedError('email takes an e-mail address');
    return c.json(world.users.put({ ...body, email }), 201);
  });
}

export function controlRoutes(app: Hono<Env>, world: World): void {
  clockRoutes(app, world);
  faultRoutes(app, world);
  historyRoutes(app, world);
  directoryRoutes(app, world);
  app.get('/_emulator/health', (c) => c.json({ status: 'up', instance: world.instance }));
  app.get('/_emulator/state', (c) => c.json(describeState(world)));
  app.get('/_emulator/switches', (c) => c.json(world.switches));
  app.post('/_emulator/switches', async (c) => {
    world.switches = mergeSwitches(world.switches, await bodyOf(c.req.raw));
    return c.json(world.switches);
  });
  app.post('/_emulator/authorize', async (c) => {
    const body = await bodyOf(c.req.raw);
    refuseUnknownMembers(body, ['clientId', 'user', 'codeChallenge', 'codeChallengeMethod'], 'authorize');
    const code = authorize(world, {
      clientId: optionalText(body, 'clientId'),
      user: optionalText(body, 'user'),
      codeChallenge: optionalText(body, 'codeChallenge'),
      codeChallengeMethod: optionalText(body, 'codeChallengeMethod'),
    });
    return c.json({ code });
  });
  app.post('/_emulator/revoke', async (c) => {
    const body = await bodyOf(c.req.raw);
    refuseUnknownMembers(body, ['clientId', 'user', 'what'], 'revoke');
    const ended = revoke(world, {
      clientId: optionalText(body, 'clientId'),
      user: optionalText(body, 'user'),
      what: optionalText(body, 'what'),
    });
    return c.json({ ended });
  });
  app.post('/_emulator/reset', (c) => {
    world.reset();
    return c.json(describeState(world));
  });
  app.post('/_emulator/snapshots/:name', (c) => {
    world.snapshot(c.req.param('name'));
    return c.json({ name: c.req.param('name') }, 201);
  });
  app.post('/_emulator/snapshots/:name/restore', (c) => {
    world.restore(c.req.param('name'));
    return c.json(describeState(world));
  });
}
