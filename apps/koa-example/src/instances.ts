import {
  ConfigurationError,
  type ConfigurationProblem,
  createTokenManager,
  type TokenManager,
  type TokenManagerOptions,
} from '@hq-oauth/core';
import type { Context } from 'koa';
import { type InstanceConfig, variable } from './config.ts';

export interface Instance {
  readonly name: string;
  readonly publicUrl: string;
  /** Of this instance's registration: its connections are nobody else's, though the database is shared. */
  readonly manager: TokenManager;
}

/** Variables that each instance has for itself. */
const OWN = [
  'HIGHQ_INSTANCE_URL',
  'HIGHQ_CLIENT_ID',
  'HIGHQ_CLIENT_SECRET',
  'HIGHQ_REDIRECT_URI',
  'HIGHQ_ACCESS_TOKEN_LIFETIME_MS',
];

/** The HighQ instances that this program serves, each by a host of its own. */
export class Instances {
  readonly all: readonly Instance[];
  readonly #byHost: ReadonlyMap<string, Instance>;

  /** @throws ConfigurationError with every problem of all of them */
  constructor(configs: readonly InstanceConfig[], options: TokenManagerOptions) {
    const problems = new Map<string, ConfigurationProblem>();
    const instances: Instance[] = [];
    for (const { name, publicUrl, ...own } of configs) {
      try {
        instances.push({ name, publicUrl, manager: createTokenManager({ ...options, ...own }) });
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        for (const problem of error.problems) {
          const env = problem.env && OWN.includes(problem.env) ? variable(problem.env, name) : problem.env;
          // What is wrong with a variable of all of them is told once.
          problems.set(`${env} ${problem.option}`, { ...problem, ...(env && { env }) });
        }
      }
    }
    if (problems.size > 0) throw new ConfigurationError([...problems.values()]);
    this.all = instances;
    this.#byHost = new Map(instances.map((instance) => [new URL(instance.publicUrl).host, instance]));
  }

  /** The one whose host the visitor asked for. A stranger's host is nobody's, and never the first of the list. */
  find(ctx: Pick<Context, 'host'>): Instance | undefined {
    return this.#byHost.get(ctx.host.toLowerCase());
  }

  /** @throws HttpError 421 for a host that is none of theirs */
  of(ctx: Pick<Context, 'host' | 'throw'>): Instance {
    return this.find(ctx) ?? ctx.throw(421, 'This program is not known by this name.');
  }

  async close(timeoutMs: number): Promise<void> {
    await Promise.all(this.all.map(({ manager }) => manager.close({ timeoutMs })));
  }
}
