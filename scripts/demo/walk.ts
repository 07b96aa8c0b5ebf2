import type { Page } from './browser.ts';
import type { Observation, Report } from './report.ts';
import type { Stage } from './stage.ts';

export const FIRM_USER = { email: 'amara@hartwell-lyle.example', password: 'password' };
export const OTHER_FIRM_USER = { email: 'jonas@hartwell-lyle.example', password: 'password' };

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** 57 weeks are 399 days, and 13 months at most 397. */
const WEEKS = 57;
const SETTLE_MS = 10_000;

/** What the provider's side has seen so far. */
interface Figures {
  readonly codes: number;
  readonly refreshes: number;
  readonly apiCalls: number;
  readonly presentedTwice: number;
  readonly forbidden: number;
  /** Calls that went out with an access token that was not valid. */
  readonly deadTokens: number;
}

function figuresOf({ emulator: { ledger, requests } }: Stage): Figures {
  const access = { kind: 'presented', tokenType: 'access' } as const;
  return {
    codes: ledger.count({ kind: 'issued', tokenType: 'code' }),
    refreshes: ledger.refreshes(),
    apiCalls: ledger.count(access),
    presentedTwice: ledger.presentedTwice({ includeUnprocessed: true }),
    forbidden: requests.count({ status: 403 }),
    deadTokens: ledger.count(access) - ledger.count({ ...access, verdict: 'ok' }),
  };
}

/** A person signs in to the firm's program and connects it to HighQ, by the pages that they see. */
export async function signIn({
  browser,
  example,
  emulator,
}: Stage): Promise<{ account: string; page: Page }> {
  const user = emulator.users.list()[0];
  if (!user) throw new Error('the emulator has no user');
  const login = await browser.open(`${example.url}/matters`);
  const connect = await browser.submit(login, '/login', FIRM_USER);
  const highq = await browser.submit(connect, '/highq/connect');
  const base = new URL(emulator.instanceUrl).pathname;
  const allow = await browser.submit(highq, `${base}/login.action`, {
    email: user.email,
    password: user.password,
  });
  const confirm = await browser.submit(allow, `${base}/authorize.action`, { decision: 'allow' });
  const account = /<strong class="account">([^<]*)</.exec(confirm.text)?.[1] ?? 'no account shown';
  return { account, page: await browser.submit(confirm, '/highq/confirm', { decision: 'confirm' }) };
}

function mattersOn(page: Page): number {
  return new Set(page.text.match(/href="\/matters\/\d+"/g)).size;
}

function instant(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}

/** The life of access tokens, as the first registration says it. */
function lifeMs({ emulator }: Stage): number {
  return emulator.registrations.list()[0]?.tokenExpirationMs ?? 0;
}

function duration(ms: number): string {
  const days = ms / DAY_MS;
  if (days >= 1) return `${days} days`;
  return ms >= 3_600_000 ? `${ms / 3_600_000} h` : `${ms / 60_000} min`;
}

export async function walk(report: Report, stage: Stage): Promise<void> {
  const { emulator, example, browser } = stage;

  await report.step('the emulator is up', async (seen) => {
    const health = await fetch(`${emulator.url}/_emulator/health`);
    seen.equal('GET /_emulator/health', health.status, 200);
    const [registration] = emulator.registrations.list();
    seen.tell(
      `${emulator.instanceUrl}, registration ${registration?.clientId}, access tokens live ${duration(lifeMs(stage))}`,
    );
    return true;
  });

  await report.step('the Express example is up, on SQLite, on the same virtual clock', async (seen) => {
    await example.start();
    const health = await fetch(`${example.url}/health`);
    seen.equal('GET /health', health.status, 200);
    seen.tell(`${example.url}, process ${example.pid}`);
    return true;
  });

  const sites = await report.step('a person signs in by authorization code', async (seen) => {
    const { account, page } = await signIn(stage);
    const { ledger } = emulator;
    seen.equal('account shown and confirmed', account, emulator.users.list()[0]?.email ?? '');
    seen.equal('codes exchanged', ledger.count({ kind: 'presented', tokenType: 'code', verdict: 'ok' }), 1);
    seen.equal(`page after it, ${page.url.pathname}`, page.status, 200);
    seen.holds(`matters on it: ${mattersOn(page)}`, mattersOn(page) > 0);
    return mattersOn(page);
  });

  await report.step('a call is answered', async (seen) => {
    const before = figuresOf(stage);
    const page = await browser.open(`${example.url}/matters`);
    const after = figuresOf(stage);
    seen.equal('GET /matters', page.status, 200);
    seen.equal('matters on it', mattersOn(page), sites);
    seen.equal('calls to the API', after.apiCalls - before.apiCalls, 1);
    seen.equal('calls answered 403', after.forbidden, 0);
    return true;
  });

  await report.step('the virtual clock moves past the expiry of the access token', async (seen) => {
    const from = emulator.clock.now();
    emulator.clock.advance(lifeMs(stage) + 60_000);
    const shown = await fetch(emulator.env.HIGHQ_TEST_CLOCK);
    const { at } = (await shown.json()) as { at: number };
    seen.holds(
      `from ${instant(from)} to ${instant(at)}, more than ${duration(lifeMs(stage))}`,
      at - from > lifeMs(stage),
    );
    return true;
  });

  await report.step('the next call is answered, after exactly one refresh', async (seen) => {
    const before = figuresOf(stage);
    const mark = emulator.ledger.entries.length;
    const page = await browser.open(`${example.url}/matters`);
    const after = figuresOf(stage);
    const entries = emulator.ledger.entries.slice(mark).filter(({ kind }) => kind === 'presented');
    seen.equal('GET /matters', page.status, 200);
    seen.equal('matters on it', mattersOn(page), sites);
    seen.equal('refreshes in the ledger', after.refreshes - before.refreshes, 1);
    seen.equal(
      'order of what was presented',
      entries.map(({ tokenType }) => tokenType).join(', '),
      'refresh, access',
    );
    seen.equal('calls that went out with an expired token', after.deadTokens, 0);
    seen.equal('calls answered 403', after.forbidden, 0);
    return true;
  });

  await report.step('the example is stopped and started again on the same SQLite file', async (seen) => {
    const before = figuresOf(stage);
    const pid = example.pid;
    seen.equal('exit code after SIGTERM', (await example.stop()) ?? 'none', 0);
    await example.start();
    seen.holds(`process ${pid} is now process ${example.pid}`, pid !== example.pid);
    const page = await browser.open(`${example.url}/matters`);
    seen.equal('GET /matters', page.status, 200);
    seen.equal('matters on it', mattersOn(page), sites);
    seen.equal('new sign-ins', figuresOf(stage).codes - before.codes, 0);
    return true;
  });

  await report.step('13 months go by, with one call a week', (seen) => months(stage, sites, seen));
}

/** The same over the months for another registration and another format of the token responses. */
export async function walkMonths(
  report: Report,
  { name, format }: { readonly name: string; readonly format: 'xml' | 'json' },
  stage: Stage,
): Promise<void> {
  await report.step(name, async (seen) => {
    await stage.example.start();
    const { page } = await signIn(stage);
    const sites = mattersOn(page);
    const type = await tokenResponseType(stage);
    seen.holds(`token responses are ${type}`, type.includes(format));
    seen.holds(`matters after the sign-in: ${sites}`, sites > 0);
    return months(stage, sites, seen);
  });
}

/** The content type of a token response, asked for as programs do that name no format, with a grant of its own. */
async function tokenResponseType({ emulator }: Stage): Promise<string> {
  const { code } = await emulator.authorize();
  const response = await fetch(`${emulator.instanceUrl}/api/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: emulator.env.HIGHQ_CLIENT_ID,
      client_secret: emulator.env.HIGHQ_CLIENT_SECRET,
      code,
    }),
  });
  if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`);
  return response.headers.get('content-type') ?? 'of no type';
}

async function months(stage: Stage, sites: number, seen: Observation): Promise<true> {
  const { emulator, example, browser } = stage;
  const before = figuresOf(stage);
  const from = emulator.clock.now();
  let answered = 0;
  for (let week = 0; week < WEEKS; week += 1) {
    await renewed(stage);
    emulator.clock.advance(WEEK_MS);
    const page = await browser.open(`${example.url}/matters`);
    if (page.status === 200 && mattersOn(page) === sites) answered += 1;
  }
  await renewed(stage);
  const after = figuresOf(stage);
  const end = new Date(from);
  end.setUTCMonth(end.getUTCMonth() + 13);
  const to = emulator.clock.now();
  seen.holds(
    `from ${instant(from)} to ${instant(to)}, 13 months and more; access tokens live ${duration(lifeMs(stage))}`,
    to >= end.getTime(),
  );
  seen.equal('calls with an answer and all matters in it', `${answered} of ${WEEKS}`, `${WEEKS} of ${WEEKS}`);
  seen.equal('calls to the API', after.apiCalls - before.apiCalls, WEEKS);
  seen.holds(`refreshes: ${after.refreshes - before.refreshes}`, after.refreshes > before.refreshes);
  seen.equal('new sign-ins', after.codes - before.codes, 0);
  seen.equal('refresh tokens and codes presented twice', after.presentedTwice, 0);
  seen.equal('calls that went out with an expired token', after.deadTokens, 0);
  seen.equal('calls answered 403', after.forbidden, 0);
  return true;
}

/**
 * Waits until no renewal is due: one may run in the background, and a clock that leaps over its answer would make it
 * look like one that took a week.
 */
async function renewed({ emulator, example, browser }: Stage): Promise<void> {
  const until = performance.now() + SETTLE_MS;
  while (performance.now() < until) {
    const page = await browser.open(`${example.url}/connection`);
    const next = /Next renewal<\/dt><dd>from <time datetime="([^"]*)"/.exec(page.text)?.[1];
    if (next !== undefined && Date.parse(next) > emulator.clock.now()) return;
  }
  throw new Error(`a renewal that is due did not end within ${SETTLE_MS} ms`);
}
