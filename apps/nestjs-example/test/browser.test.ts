import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { complaintsOf, launchChromium, withoutChromium } from './chromium.fixture.ts';
import { type RunningExample, startExample } from './example.fixture.ts';

const HOUR = 3_600_000;

describe.skipIf(withoutChromium)('the example in a browser', () => {
  let example: RunningExample;
  let browser: Browser;
  let page: Page;
  let complaints: readonly string[];

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    example = await startExample();
    page = await (await browser.newContext()).newPage();
    complaints = complaintsOf(page);
  });
  afterEach(async () => {
    await page.context().close();
    await example.close();
  });

  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const heading = () => page.getByRole('heading', { level: 1 }).textContent();

  async function signInAtTheFirm(): Promise<void> {
    await page.goto(`${example.url}/matters`);
    await page.getByLabel('E-mail address').fill('amara@hartwell-lyle.example');
    await page.getByLabel('Password').fill('password');
    await button('Sign in').click();
    expect(await heading()).toBe('Connect to HighQ');
  }

  async function signInAtHighQ(): Promise<void> {
    await button('Connect to HighQ').click();
    expect(new URL(page.url()).origin).toBe(example.emulator.url);
    await page.getByLabel('E-mail address').fill('user@clientname.com');
    await page.getByLabel('Password').fill('password');
    await button('Sign in').click();
  }

  async function connect(): Promise<void> {
    await signInAtTheFirm();
    await signInAtHighQ();
    await button('Allow').click();
    expect(await heading()).toBe('Is this your HighQ account?');
    await page.getByText('user@clientname.com', { exact: true }).waitFor();
    await button('Use this account').click();
    expect(await heading()).toBe('Matters');
  }

  const matters = () => page.locator('main a[href^="/matters/"]').count();

  it('F82 F98 connects after the account is confirmed, and shows data past expiry without a new sign-in', async () => {
    await connect();
    expect(await matters()).toBe(5);
    expect(page.url()).toBe(`${example.url}/matters`);
    example.emulator.clock.advance(6 * HOUR);
    await page.reload();
    expect(await matters()).toBe(5);
    expect(example.emulator.ledger.refreshes()).toBe(1);
    expect(example.emulator.requests.count({ status: 403 })).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('shows a site, its iSheets with typed columns, and people', async () => {
    await connect();
    await page.getByRole('link', { name: /Harbour Wind Farm/ }).click();
    await page.getByRole('link', { name: /Conditions precedent/ }).click();
    expect(await page.locator('thead th').allTextContents()).toEqual([
      'Condition',
      'Due',
      'Status',
      'Clause',
    ]);
    expect(await page.locator('tbody tr').count()).toBe(7);
    expect(await page.locator('tbody tr').first().locator('td').allTextContents()).toEqual([
      'Corporate authorisations of each obligor',
      '30 Nov 2026',
      'Satisfied',
      '4.1',
    ]);
    await page.getByRole('link', { name: 'People' }).click();
    await page.getByLabel('E-mail address').fill('limited@clientname.com');
    await button('Look up').click();
    await page.getByText('Sam Reed').waitFor();
    await page.getByLabel('E-mail address').fill('nobody@clientname.com');
    await button('Look up').click();
    await page.getByText('HighQ knows nobody with this address.').waitFor();
    expect(complaints).toEqual([]);
  });

  it('F89 tells kindly that access was denied, and connects at the second attempt', async () => {
    await signInAtTheFirm();
    await signInAtHighQ();
    await button('Deny').click();
    await page.getByText('Access was not allowed at HighQ').waitFor();
    await page.getByRole('link', { name: 'Try again' }).click();
    await button('Connect to HighQ').click();
    await button('Allow').click();
    await button('Use this account').click();
    expect(await heading()).toBe('Matters');
    expect(complaints).toEqual([]);
  });

  it('F83 handles a callback once, whatever the back button does', async () => {
    await signInAtTheFirm();
    await signInAtHighQ();
    const answered = page.waitForRequest((request) => request.url().includes('/highq/callback'));
    await button('Allow').click();
    const callback = (await answered).url();
    await button('Use this account').click();
    const again = await page.goto(callback);
    expect(again?.status()).toBe(400);
    expect(example.emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1);
    await page.goto(`${example.url}/matters`);
    expect(await matters()).toBe(5);
  });

  it('F82 connects nothing when the person says that the account is not theirs', async () => {
    await signInAtTheFirm();
    await signInAtHighQ();
    await button('Allow').click();
    await button('Cancel').click();
    expect(await heading()).toBe('Connect to HighQ');
    expect((await example.manager.connection('amara').status()).state).toBe('disconnected');
  });

  it('F87 begins nothing for a form on a page elsewhere', async () => {
    await signInAtTheFirm();
    await page.goto(`${example.emulator.url}/_emulator/health`);
    await page.setContent(
      `<form method="post" action="${example.url}/highq/connect"><button>Go</button></form>`,
    );
    const answer = page.waitForResponse((response) => response.url().endsWith('/highq/connect'));
    await button('Go').click();
    expect((await answer).status()).toBe(403);
    const cookies = await page.context().cookies(example.url);
    expect(cookies.filter(({ name }) => name.includes('highq-login'))).toEqual([]);
  });

  it('F85 honours one of two tabs, and connects by the page that the other one gets', async () => {
    await signInAtTheFirm();
    const other = await page.context().newPage();
    await other.goto(`${example.url}/matters`);
    await signInAtHighQ();
    await other.getByRole('button', { name: 'Connect to HighQ', exact: true }).click();
    await button('Allow').click();
    await other.getByRole('button', { name: 'Allow', exact: true }).click();
    const headings = await Promise.all(
      [page, other].map((tab) => tab.getByRole('heading', { level: 1 }).textContent()),
    );
    expect(headings.filter((text) => text === 'Is this your HighQ account?').length).toBeLessThanOrEqual(1);
    expect(example.emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1);
    await other.goto(`${example.url}/highq/connect?returnTo=/matters`);
    await other.getByRole('button', { name: 'Connect to HighQ', exact: true }).click();
    await other.getByRole('button', { name: 'Allow', exact: true }).click();
    await other.getByRole('button', { name: 'Use this account', exact: true }).click();
    expect(await other.locator('main a[href^="/matters/"]').count()).toBe(5);
  });

  it('F83 stands the back button, and goes on with the page open past expiry', async () => {
    await connect();
    await page.goBack();
    await page.goto(`${example.url}/matters`);
    expect(await matters()).toBe(5);
    example.emulator.clock.advance(6 * HOUR);
    await page.getByRole('link', { name: /Harbour Wind Farm/ }).click();
    await page.getByRole('link', { name: /Conditions precedent/ }).waitFor();
    await page.getByRole('link', { name: 'Connection' }).click();
    await page.getByText('Access renewed', { exact: true }).waitFor();
    expect(await page.locator('dt:text-is("Renewals so far") + dd').textContent()).toBe('1');
    expect(example.emulator.ledger.refreshes()).toBe(1);
    expect(example.emulator.ledger.count({ kind: 'presented', tokenType: 'code' })).toBe(1);
    expect(complaints).toEqual([]);
  });

  it('ends with a disconnect, and asks to connect again', async () => {
    await connect();
    await page.getByRole('link', { name: 'Connection' }).click();
    await page.getByText('Connected', { exact: true }).waitFor();
    await button('Disconnect').click();
    await page.getByText('Not connected', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Matters' }).click();
    expect(await heading()).toBe('Connect to HighQ');
    expect(complaints).toEqual([]);
  });
});
