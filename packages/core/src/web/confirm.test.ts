import { beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../contracts.ts';
import { SignInError, StoreUnavailableError } from '../errors.ts';
import { createWebHandlers, type WebHandlers } from './handlers.ts';
import { PaperBrowser, type PaperManager, paperManager, type Visitor } from './web.fixture.ts';

let manager: PaperManager;
let handlers: WebHandlers<Visitor>;
let browser: PaperBrowser;

beforeEach(async () => {
  manager = paperManager();
  handlers = createWebHandlers<Visitor>({ manager, connectionId: (req) => req.user });
  browser = new PaperBrowser(handlers);
});

async function cameBack(email = 'ann@firm.example'): Promise<void> {
  await browser.post('/highq/connect', { returnTo: '/sites' });
  const response = await browser.get(`/highq/callback?code=code-for-${encodeURIComponent(email)}`);
  expect(response.headers.get('location')).toBe('/highq/confirm');
}

async function reasonOf(response: Response): Promise<unknown> {
  expect(response.status).toBe(400);
  return ((await response.json()) as { reason?: string }).reason;
}

const asProgram = { accept: 'application/json' };
const yes = { decision: 'confirm' };

describe('confirm', () => {
  it('F82 shows the account, and connects it when the person says so', async () => {
    await cameBack();
    const page = await (await browser.get('/highq/confirm')).text();
    expect(page).toContain('You signed in as ann@firm.example.');
    expect(manager.accounts.get('ann')?.active).toBeUndefined();
    const response = await browser.post('/highq/confirm', yes);
    expect([response.status, response.headers.get('location')]).toEqual([303, '/sites']);
    expect(manager.accounts.get('ann')).toEqual({ active: 'ann@firm.example' });
    expect(browser.cookies.size).toBe(0);
  });

  it('F82 forgets it when the person cancels, and keeps what was connected', async () => {
    manager.accounts.set('ann', { active: 'ann@firm.example' });
    await cameBack('mallory@firm.example');
    const page = await (await browser.get('/highq/confirm')).text();
    expect(page).toContain('mallory@firm.example');
    expect(page).toContain('takes the place of ann@firm.example');
    expect((await browser.post('/highq/confirm', { decision: 'cancel' })).status).toBe(303);
    expect(manager.accounts.get('ann')).toEqual({ active: 'ann@firm.example' });
  });

  it('F89 escapes the address', async () => {
    await cameBack('"><script>alert(1)</script>@firm.example');
    const page = await (await browser.get('/highq/confirm')).text();
    expect(page).not.toContain('<script>');
    expect(page).toContain('&#60;script&#62;');
  });

  it('F82 belongs to the browser that signed in', async () => {
    await cameBack();
    const other = new PaperBrowser(handlers);
    expect(await reasonOf(await other.post('/highq/confirm', yes, asProgram))).toBe('transaction_missing');
    expect(await reasonOf(await other.get('/highq/confirm', asProgram))).toBe('transaction_missing');
    expect(manager.accounts.get('ann')?.active).toBeUndefined();
  });

  it('F81 belongs to the visitor who signed in', async () => {
    await cameBack();
    browser.visitor.user = 'bob';
    expect(await reasonOf(await browser.get('/highq/confirm', asProgram))).toBe('visitor_changed');
    expect(await reasonOf(await browser.post('/highq/confirm', yes, asProgram))).toBe('visitor_changed');
    expect(manager.accounts.get('ann')?.active).toBeUndefined();
  });

  it('F82 confirms only the account that was shown', async () => {
    await cameBack();
    await manager.connection('ann').exchangeCode('code-for-mallory@firm.example', { confirm: true });
    expect(await reasonOf(await browser.copy().get('/highq/confirm', asProgram))).toBe('pending_gone');
    expect(await reasonOf(await browser.post('/highq/confirm', yes, asProgram))).toBe('pending_gone');
    expect(manager.accounts.get('ann')?.active).toBeUndefined();
  });

  it('F84 waits ten minutes for the answer', async () => {
    await cameBack();
    await manager.clock.advance(10 * 60_000);
    expect(await reasonOf(await browser.get('/highq/confirm', asProgram))).toBe('transaction_expired');
    expect(await reasonOf(await browser.post('/highq/confirm', yes, asProgram))).toBe('transaction_expired');
  });

  it('F83 takes the first of two answers, and leads the second on', async () => {
    await cameBack();
    const twin = browser.copy();
    await browser.post('/highq/confirm', { decision: 'cancel' });
    const second = await twin.post('/highq/confirm', yes);
    expect([second.status, second.headers.get('location')]).toEqual([303, '/sites']);
    expect((await twin.get('/highq/confirm')).status).toBe(400);
    expect(manager.accounts.get('ann')?.active).toBeUndefined();
  });

  it('asks again where an answer was taken but the store failed before it was carried out', async () => {
    await cameBack();
    const { connection } = manager;
    let fails = true;
    manager.connection = (...id) => {
      const one = connection(...id);
      const confirm: Connection['confirm'] = async (options) => {
        if (fails) throw new StoreUnavailableError('No store.', { connectionId: one.id, retryAfterMs: 1 });
        return one.confirm(options);
      };
      return { ...one, confirm };
    };
    expect((await browser.post('/highq/confirm', yes)).status).toBe(503);
    expect(manager.accounts.get('ann')?.active).toBeUndefined();
    fails = false;
    expect((await browser.get('/highq/confirm')).status).toBe(200);
    const late = browser.copy();
    expect((await browser.post('/highq/confirm', yes)).status).toBe(303);
    expect(manager.accounts.get('ann')).toEqual({ active: 'ann@firm.example' });
    // And no more than once: what comes then is another question.
    await manager.connection('ann').exchangeCode('code-for-eve@firm.example', { confirm: true });
    expect((await late.post('/highq/confirm', yes)).status).toBe(303);
    expect(manager.accounts.get('ann')?.active).toBe('ann@firm.example');
  });

  it('F83 leads both halves of a double click on, though the second comes while the first is carried out', async () => {
    await cameBack();
    const { connection } = manager;
    const second = browser.copy();
    const arrived = Promise.withResolvers<void>();
    const carriedOut = Promise.withResolvers<void>();
    let asked = 0;
    manager.connection = (...id) => {
      const one = connection(...id);
      const confirm: Connection['confirm'] = async (options) => {
        asked += 1;
        if (asked === 1) {
          arrived.resolve();
          await carriedOut.promise;
          return one.confirm(options);
        }
        // Its look at the account was before the first one's write, and this is after it.
        carriedOut.resolve();
        await first;
        throw new SignInError('Nothing waits.', { connectionId: one.id, reason: 'nothing_pending' });
      };
      return { ...one, confirm };
    };
    const first = browser.post('/highq/confirm', yes);
    await arrived.promise;
    const answers = [await second.post('/highq/confirm', yes), await first];
    expect(answers.map(({ status }) => status)).toEqual([303, 303]);
    expect(manager.accounts.get('ann')).toEqual({ active: 'ann@firm.example' });
  });

  it('F84 does not ask again after ten minutes', async () => {
    await cameBack();
    manager.connection = () => {
      throw new StoreUnavailableError('No store.', { connectionId: 'ann', retryAfterMs: 1 });
    };
    expect((await browser.post('/highq/confirm', yes)).status).toBe(503);
    await manager.clock.advance(10 * 60_000);
    expect((await browser.get('/highq/confirm')).headers.get('location')).toBe('/sites');
  });

  it('F87 refuses an answer from a page elsewhere, and leaves the question open', async () => {
    await cameBack();
    const forged = await browser.post('/highq/confirm', yes, { 'sec-fetch-site': 'cross-site' });
    expect(forged.status).toBe(403);
    expect((await browser.post('/highq/confirm', yes)).status).toBe(303);
  });

  it.each([{}, { decision: 'maybe' }])('does not guess what %j means', async (form) => {
    await cameBack();
    const response = await browser.post('/highq/confirm', form as Record<string, string>, asProgram);
    expect(await reasonOf(response)).toBe('decision_missing');
    expect((await browser.get('/highq/confirm')).status).toBe(200);
  });

  it('reads no endless form', async () => {
    await cameBack();
    const form = { padding: 'x'.repeat(20_000), ...yes };
    expect(await reasonOf(await browser.post('/highq/confirm', form, asProgram))).toBe('decision_missing');
  });

  it('does not connect when the person disconnected during the exchange', async () => {
    await browser.post('/highq/connect');
    manager.duringExchange = () => manager.connection('ann').disconnect();
    const response = await browser.get('/highq/callback?code=code-for-x', asProgram);
    expect(await reasonOf(response)).toBe('pending_gone');
  });
});

describe('disconnect', () => {
  it('forgets the tokens and goes back', async () => {
    manager.accounts.set('ann', { active: 'ann@firm.example' });
    const response = await browser.post('/highq/disconnect', { returnTo: '/settings' });
    expect([response.status, response.headers.get('location')]).toEqual([303, '/settings']);
    expect(manager.accounts.has('ann')).toBe(false);
  });

  it('answers a program with 204', async () => {
    expect((await browser.post('/highq/disconnect', {}, asProgram)).status).toBe(204);
  });

  it('F87 only by POST, and only from the application', async () => {
    manager.accounts.set('ann', { active: 'ann@firm.example' });
    const get = await browser.get('/highq/disconnect');
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
    const forged = await browser.post('/highq/disconnect', {}, { 'sec-fetch-site': 'same-site' });
    expect(forged.status).toBe(403);
    expect(manager.accounts.has('ann')).toBe(true);
  });
});
