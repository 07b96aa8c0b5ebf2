import type { BrowserContext, Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findingsOn } from './accessibility.fixture.ts';
import { inChromium, withoutChromium } from './chromium.fixture.ts';
import { httpTo } from './http.fixture.ts';
import type { RunningExample, StartExample } from './running-example.fixture.ts';

const HOUR = 3_600_000;

export interface BrowserWalkOptions {
  /** Whether axe looks at the pages, too. The examples share their views, so one of them will do. @default false */
  readonly accessibility?: boolean;
}

/** What a person sees of each of the examples. Pages are what takes time here, so each test asks for few. */
export function browserWalk(start: StartExample, { accessibility = false }: BrowserWalkOptions = {}): void {
  describe.skipIf(withoutChromium)('in a browser', { timeout: 60_000 }, () => {
    let example: RunningExample;
    let context: BrowserContext;
    let page: Page;
    let complaints: readonly string[];

    beforeEach(async () => {
      example = await start();
    });
    afterEach(() => example.close());
    const open = inChromium();
    beforeEach(async () => {
      ({ page, context, complaints } = await open());
    });

    const button = (name: string, on = page) => on.getByRole('button', { name, exact: true });
    const link = (name: string | RegExp) => page.getByRole('link', { name, exact: true });
    const heading = (on = page) => on.getByRole('heading', { level: 1 }).textContent();
    const matters = (on = page) => on.locator('main a[href^="/matters/"]').count();
    const state = async () => (await example.manager.connection('amara').status()).state;
    const findings = () => (accessibility ? findingsOn(page) : []);
    const codes = () => example.emulator.ledger.count({ kind: 'presented', tokenType: 'code' });

    /** As after the firm's own sign-in, which the first test goes through. */
    async function atTheConnectPage(): Promise<void> {
      const [name = '', value = ''] = (await httpTo(example.url).session()).split('=', 2);
      await context.addCookies([{ name, value, url: example.url }]);
      await page.goto(`${example.url}/matters`);
      expect(await heading()).toBe('Connect to HighQ');
    }

    async function signInAtHighQ(): Promise<void> {
      await button('Connect to HighQ').click();
      expect(new URL(page.url()).origin).toBe(example.emulator.url);
      await page.getByLabel('E-mail address').fill('user@clientname.com');
      await page.getByLabel('Password').fill('password');
      await button('Sign in').click();
    }

    it('F82 F98 connects after the account is confirmed, goes on with the page open past expiry, and disconnects', async () => {
      await page.goto(`${example.url}/matters`);
      expect(await findings()).toEqual([]);
      await page.getByLabel('E-mail address').fill('amara@hartwell-lyle.example');
      await page.getByLabel('Password').fill('password');
      await button('Sign in').click();
      expect(await heading()).toBe('Connect to HighQ');
      await signInAtHighQ();
      await button('Allow').click();
      expect(await heading()).toBe('Is this your HighQ account?');
      await page.getByText('user@clientname.com', { exact: true }).waitFor();
      expect(await state()).toBe('pending');
      await button('Use this account').click();
      expect(await heading()).toBe('Matters');
      expect(page.url()).toBe(`${example.url}/matters`);
      expect(await matters()).toBe(5);
      expect(await findings()).toEqual([]);

      example.emulator.clock.advance(6 * HOUR);
      await link(/Harbour Wind Farm/).click();
      await link(/Conditions precedent/).click();
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
      expect(await findings()).toEqual([]);
      expect(example.emulator.ledger.refreshes()).toBe(1);
      expect(example.emulator.requests.count({ status: 403 })).toBe(0);
      expect(codes()).toBe(1);

      await link('Connection').click();
      await page.getByText('Access renewed', { exact: true }).waitFor();
      expect(await page.locator('dt:text-is("Renewals so far") + dd').textContent()).toBe('1');
      expect(await findings()).toEqual([]);
      await link('Status').click();
      await page.getByRole('heading', { name: 'Connected', exact: true }).waitFor();
      expect(await page.locator('dt:text-is("Generation") + dd').textContent()).toBe('2');
      await link('Back to the application').click();
      await button('Disconnect').click();
      await page.getByText('Not connected', { exact: true }).waitFor();
      expect(await state()).toBe('disconnected');
      await link('Matters').click();
      expect(await heading()).toBe('Connect to HighQ');
      expect(complaints).toEqual([]);
    });

    it('F82 F83 F89 connects nothing that was denied or is not theirs, and one callback once, reloaded or by the back button', async () => {
      await atTheConnectPage();
      await signInAtHighQ();
      await button('Deny').click();
      await page.getByText('Access was not allowed at HighQ').waitFor();
      expect(await state()).toBe('disconnected');

      await link('Try again').click();
      await button('Connect to HighQ').click();
      await button('Allow').click();
      await button('Cancel').click();
      expect(await heading()).toBe('Connect to HighQ');
      expect(await state()).toBe('disconnected');

      await button('Connect to HighQ').click();
      const answered = page.waitForRequest((request) => request.url().includes('/highq/callback'));
      await button('Allow').click();
      const callback = (await answered).url();
      expect((await page.goto(callback))?.status()).toBe(400);
      await page.goBack();
      expect(await heading()).toBe('Is this your HighQ account?');
      await button('Use this account').click();
      expect(await matters()).toBe(5);
      await page.goBack();
      expect(await heading()).not.toBe('Something went wrong');
      expect(await state()).toBe('active');
      expect(codes()).toBe(2);
      expect(complaints).toEqual([]);
    });

    it('F85 connects by the newest of two tabs, and the other one says that it is too late', async () => {
      await atTheConnectPage();
      const newest = await context.newPage();
      await newest.goto(`${example.url}/matters`);
      await signInAtHighQ();
      await button('Connect to HighQ', newest).click();
      await button('Allow', newest).click();
      expect(await heading(newest)).toBe('Is this your HighQ account?');
      await button('Allow').click();
      await page.getByText('has not begun a sign-in').waitFor();
      expect(codes()).toBe(1);
      await button('Use this account', newest).click();
      expect(await matters(newest)).toBe(5);
    });

    it('F87 begins nothing for a form on a page elsewhere', async () => {
      await atTheConnectPage();
      await page.goto(`${example.emulator.url}/_emulator/health`);
      await page.setContent(
        `<form method="post" action="${example.url}/highq/connect"><button>Go</button></form>`,
      );
      const answer = page.waitForResponse((response) => response.url().endsWith('/highq/connect'));
      await button('Go').click();
      expect((await answer).status()).toBe(403);
      const cookies = await context.cookies(example.url);
      expect(cookies.filter(({ name }) => name.includes('highq-login'))).toEqual([]);
    });
  });
}
