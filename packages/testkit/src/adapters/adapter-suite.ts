import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { ABUSE_BEHAVIOURS } from './abuse-behaviours.ts';
import { type Behaviour, Bench } from './bench.ts';
import { ERROR_BEHAVIOURS } from './error-behaviours.ts';
import { HEALTH_BEHAVIOURS } from './health-behaviours.ts';
import type { AdapterHost } from './host.ts';
import { MANAGER_BEHAVIOURS } from './manager-behaviours.ts';
import { PROXY_BEHAVIOURS } from './proxy-behaviours.ts';
import { SIGN_IN_BEHAVIOURS } from './sign-in-behaviours.ts';
import { STATUS_BEHAVIOURS } from './status-behaviours.ts';
import { STREAM_BEHAVIOURS } from './stream-behaviours.ts';
import { TRANSACTION_BEHAVIOURS } from './transaction-behaviours.ts';
import { TRANSPORT_BEHAVIOURS } from './transport-behaviours.ts';
import { VISITOR_BEHAVIOURS } from './visitor-behaviours.ts';

const BEHAVIOURS: readonly Behaviour[] = [
  ...SIGN_IN_BEHAVIOURS,
  ...TRANSACTION_BEHAVIOURS,
  ...ABUSE_BEHAVIOURS,
  ...VISITOR_BEHAVIOURS,
  ...MANAGER_BEHAVIOURS,
  ...ERROR_BEHAVIOURS,
  ...STATUS_BEHAVIOURS,
  ...HEALTH_BEHAVIOURS,
  ...PROXY_BEHAVIOURS,
  ...STREAM_BEHAVIOURS,
  ...TRANSPORT_BEHAVIOURS,
];

/** What every adapter must show, by title: the same list on each host. */
export const ADAPTER_BEHAVIOURS: readonly string[] = BEHAVIOURS.map(({ title }) => title);

/**
 * Defines a vitest test for everything that an adapter must show, on real HTTP and against the emulator. The host starts
 * an application on its framework; nothing of the list can be left out.
 *
 * @example
 * adapterSuite({ name: 'koa', start: startKoa });
 */
export function adapterSuite(host: AdapterHost): void {
  describe(`adapter suite on ${host.name}`, () => {
    const bench = new Bench(host);
    beforeAll(() => bench.begin());
    afterEach(() => bench.clean());
    afterAll(() => bench.end());

    // One by one, because a table of tests cuts long titles.
    for (const { title, run } of BEHAVIOURS) it(title, () => run(bench));
  });
}
