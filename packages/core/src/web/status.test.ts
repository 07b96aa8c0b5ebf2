import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TokenManager } from '../contracts.ts';
import { Bench, DAY, HOUR, USER } from '../manager.fixture.ts';
import { createWebHandlers } from './handlers.ts';
import type { WebAction, WebOptions } from './options.ts';
import { PaperBrowser, type Visitor } from './web.fixture.ts';

const asProgram = { accept: 'application/json', 'sec-fetch-mode': 'cors' };
let bench: Bench;
let manager: TokenManager;

beforeEach(async () => {
  bench = await Bench.open();
  manager = bench.manager({ redirectUri: 'https://app.example/highq/callback' });
});
afterEach(() => bench.close());

function browserWith(
  options: Partial<WebOptions<Visitor>> = {},
  user: string | null = 'ann',
): PaperBrowser {
  const everything: Partial<WebOptions<Visitor>> = {
    authorize: (_req, action) => action !== 'status-all',
    statusActions: true,
  };
  const handlers = createWebHandlers<Visitor>({
    manager,
    connectionId: (req) => req.user,
    ...everything,
    ...options,
  });
  return new PaperBrowser(handlers, user);
}

async function json(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('content-type')).toContain('json');
  return (await response.json()) as Record<string, unknown>;
}

describe('GET status', () => {
  it('answers a program with the status and all that the page shows, and no token', async () => {
    const connection = manager.connection('ann');
    await bench.signIn(connection);
    const token = await connection.getAccessToken();
    const response = await browserWith().get('/highq/status', asProgram);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('vary')).toBe('Accept');
    const text = await response.clone().text();
    expect(text).not.toContain(token);
    const body = await json(response);
    expect(body).toMatchObject({ ...(await connection.status()) });
    expect(body).toMatchObject({
      now: bench.clock.now(),
      explain: [...(await connection.explain())],
      history: [{ event: 'authorized' }],
      horizon: { due: null },
    });
    expect(body).not.toHaveProperty('connections');
  });
});
