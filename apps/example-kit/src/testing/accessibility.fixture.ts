import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

let axe: string | undefined;

/** What axe finds that keeps somebody from using the page, and whether it is wider than its window. */
export async function findingsOn(page: Page): Promise<readonly string[]> {
  axe ??= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  await page.evaluate(axe);
  const { violations } = (await page.evaluate('axe.run(document)')) as AxeResults;
  const fits = await page.evaluate('document.documentElement.scrollWidth <= innerWidth');
  return [
    ...violations.map(({ id, impact, nodes }) => `${impact}: ${id} at ${nodes.map(({ target }) => target)}`),
    ...(fits ? [] : ['wider than its window']),
  ];
}
