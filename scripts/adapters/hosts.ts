import type { RecordedTest } from '../run/outcome.ts';

/** The frameworks that the adapter suite has to be seen on. */
export const HOSTS = ['express', 'koa', 'nest on express', 'nest on fastify'] as const;

export interface HostReport {
  readonly host: string;
  /** Titles of the tests that passed there. */
  readonly shown: readonly string[];
  /** Shown elsewhere and not here, or not passed. */
  readonly missing: readonly string[];
}

const SUITE = / > adapter suite on ([^>]+) > (.+)$/;

/** What a run shows of the adapter suite: the same list on each host, or what is missing where. */
export function hostsOf(tests: readonly RecordedTest[]): readonly HostReport[] {
  const shown = new Map<string, Set<string>>(HOSTS.map((host) => [host, new Set()]));
  const all = new Set<string>();
  for (const { name, state } of tests) {
    const [, host, title] = SUITE.exec(name) ?? [];
    if (host === undefined || title === undefined) continue;
    all.add(title);
    const titles = shown.get(host) ?? new Set();
    if (state === 'passed') titles.add(title);
    shown.set(host, titles);
  }
  return [...shown].map(([host, titles]) => ({
    host,
    shown: [...titles],
    missing: [...all].filter((title) => !titles.has(title)),
  }));
}
