import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import type { RedisClient } from './redis-client.ts';

/** The run's server. Without one, suites are skipped. */
export const REDIS_URL = process.env.HQ_REDIS_URL ?? '';
export const NO_REDIS = REDIS_URL === '';

export const DRIVERS = ['node-redis', 'ioredis'] as const;
export type Driver = (typeof DRIVERS)[number];

export interface OpenClient {
  readonly client: RedisClient;
  close(): void;
}

/** A connected client, with the settings that the README advises. */
export async function connect(driver: Driver, url: string = REDIS_URL): Promise<OpenClient> {
  switch (driver) {
    case 'node-redis': {
      const client = createClient({ url, disableOfflineQueue: true });
      // A lost connection is what some tests are about; operations report it.
      client.on('error', () => {});
      await client.connect();
      return { client, close: () => client.destroy() };
    }
    case 'ioredis': {
      const client = new Redis(url, {
        autoResendUnfulfilledCommands: false,
        maxRetriesPerRequest: 1,
        lazyConnect: true,
      });
      client.on('error', () => {});
      await client.connect();
      return { client, close: () => client.disconnect() };
    }
    default:
      return driver satisfies never;
  }
}

/** Apart from every other store on the server. */
export function newPrefix(): string {
  return `{hq-${randomUUID()}}`;
}
