import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { highq, highqErrors } from '@hq-oauth/express';
import { findingsOn, inChromium, type RunningExample, withoutChromium } from 'example-kit/testing';
import express from 'express';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startExample } from './example.fixture.ts';

const HOUR = 3_600_000;
const LOOKS: readonly (readonly [string, BrowserContextOptions])[] = [
  ['light on a phone', { colorScheme: 'light', viewport: { width: 360, height: 740 } }],
  ['dark on a desk', { colorScheme: 'dark', viewport: { width: 1200, height: 800 } }],
];

describe.skipIf(withoutChromium)('the status page in a browser', () => {
  let example: RunningExample;
  let server: Server;
  let url: string;
  let page: Page;
  let complaints: readonly string[];

  beforeEach(async () => {
    example = await startExample();
    const app = express();
    app.use(
      highq({
        manager: example.manager,
        connectionId: () => 'amara',
        authorize: () => true,
        statusActions: true,
        returnTo: '/highq/status',
      }),
    );
    app.use(highqErrors());
    server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await example.close();
  });
  const opened = inChromium();

  async function open(path: string, look: BrowserContextOptions = {}): Promise<void> {
    ({ page, complaints } = await opened(look));
    await page.goto(url + path);
  }

  async function signIn(id = 'amara'): Promise<void> {
    const { code } = await example.emulator.authorize({ user: 'user@clientname.com' });
    await example.manager.connection(id).exchangeCode(code);
  }

  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const fact = (name: string) =>
    page
      .locator('dl.facts div')
      .filter({ has: page.getByText(name, { exact: true }) })
      .locator('dd');

  const findings = () => findingsOn(page);

  it.each(LOOKS)(
    'has nothing that keeps somebody out, %s, nor have the pages of a sign-in',
    async (_, look) => {
      await open('/highq/status', look);
      expect(await page.getByRole('heading', { level: 2 }).first().textContent()).toBe('Not connected');
      expect(await findings()).toEqual([]);
      await page.getByRole('link', { name: 'Connect to HighQ' }).click();
      expect(await findings()).toEqual([]);
      await button('Connect to HighQ').click();
      expect(new URL(page.url()).origin).toBe(example.emulator.url);
      const { code } = await example.emulator.authorize({ user: 'user@clientname.com' });
      await page.goto(`${url}/highq/callback?code=${code}`);
      expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Is this your HighQ account?');
      expect(await findings()).toEqual([]);
      await page.goto(`${url}/highq/callback?code=again`);
      expect(await page.getByRole('alert').textContent()).toContain('begin again');
      expect(await findings()).toEqual([]);
      await signIn();
      await signIn('bo');
      example.emulator.clock.advance(4.5 * HOUR);
      example.emulator.faults.add({ match: { endpoint: 'token' }, kind: 'wrap-root', times: 1 });
      await page.goto(`${url}/highq/status`);
      await button('Renew now').click();
      await page.getByText('Last problem', { exact: true }).waitFor();
      await page.getByText('Disconnect', { exact: true }).click();
      expect(await findings()).toEqual([]);
      expect(complaints).toEqual([]);
    },
  );

  it('brings itself up to date, whatever the clock of the browser shows, and leaves alone what is in use', async () => {
    await signIn();
    ({ page, complaints } = await opened());
    await page.clock.install({ time: new Date('2001-01-01T00:00:00Z') });
    await page.goto(`${url}/highq/status`);
    await page.getByText('4 hours 59 minutes left').or(page.getByText('5 hours left')).waitFor();
    const fold = page.locator('summary');
    await fold.focus();
    await page.keyboard.press('Enter');
    await fold.blur();
    example.emulator.clock.advance(2 * HOUR);
    await page.clock.fastForward(15_000);
    await page.getByText('2 hours 59 minutes left').or(page.getByText('3 hours left')).waitFor();
    example.emulator.clock.advance(4 * HOUR);
    await page.clock.fastForward(15_000);
    await page.getByRole('heading', { name: 'Connected, token has run out' }).waitFor();
    expect(await page.title()).toBe('Connected, token has run out · HighQ connection');
    // The fold stays open, and what has the focus keeps it, although the form behind it has changed.
    expect(await button('Disconnect from HighQ').isVisible()).toBe(true);
    await fold.focus();
    await page.keyboard.press('Enter');
    await example.manager.connection('amara').getAccessToken();
    await page.clock.fastForward(15_000);
    await page.getByRole('heading', { name: 'Connected', exact: true }).waitFor();
    expect(await fact('Generation').textContent()).toBe('2');
    expect(await page.evaluate('document.activeElement.localName')).toBe('summary');
    await page.context().setOffline(true);
    await page.clock.fastForward(15_000);
    await page.getByText('The server does not answer.').waitFor();
    expect(complaints).toEqual([]);
  });

  it('shows, renews and disconnects without JavaScript', async () => {
    await signIn();
    await open('/highq/status', { javaScriptEnabled: false });
    expect(await page.getByRole('img', { name: /^Access token: .* Renewal point / }).count()).toBe(1);
    expect(await page.getByRole('status').last().textContent()).toContain('Reload the page');
    await button('Renew now').click();
    expect(await page.getByRole('status').first().textContent()).toBe('The access was renewed.');
    expect(await fact('Generation').textContent()).toBe('2');
    await page.getByText('Disconnect', { exact: true }).click();
    await button('Disconnect from HighQ').click();
    await page.getByRole('heading', { name: 'Not connected' }).waitFor();
    expect((await example.manager.connection('amara').status()).state).toBe('disconnected');
    expect(complaints).toEqual([]);
  });
});
