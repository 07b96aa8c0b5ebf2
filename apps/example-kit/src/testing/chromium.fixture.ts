import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { afterAll, afterEach, beforeAll } from 'vitest';

export const withoutChromium = process.env.HQ_NO_CHROMIUM === '1';

export interface OpenPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page reports as errors: a style or a form that its policy refuses is among them. */
  readonly complaints: readonly string[];
}

/**
 * One browser for the tests of a `describe`. Gives what opens a page in a context of its own, which ends with the test:
 * before what was set up ahead of this, so that the page is gone when its server goes.
 */
export function inChromium(): (look?: BrowserContextOptions) => Promise<OpenPage> {
  let browser: Browser;
  const contexts: BrowserContext[] = [];
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
  });
  return async (look = {}) => {
    const context = await browser.newContext(look);
    contexts.push(context);
    const page = await context.newPage();
    return { page, context, complaints: complaintsOf(page) };
  };
}

/** A browser with a new profile of its own, which goes when it is closed. */
function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.HQ_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

function complaintsOf(page: Page): readonly string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // Answers that are meant to be 4xx, such as the connect page, are reported as well.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      complaints.push(message.text());
    }
  });
  return complaints;
}
