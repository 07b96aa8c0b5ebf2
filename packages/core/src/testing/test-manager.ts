import type { TokenManager } from '../contracts.ts';
import { memoryStore } from '../memory-store.ts';
import type { TokenManagerOptions } from '../options.ts';
import { createTokenManager } from '../token-manager.ts';

/**
 * A token manager for tests against an emulator: store in memory, no encryption, loopback allowed. `env` is an
 * emulator's `env`; any option can be given on top.
 *
 * @example
 * const emulator = await createEmulator();
 * const manager = createTestManager(emulator.env);
 */
export function createTestManager(
  env: {
    readonly HIGHQ_INSTANCE_URL: string;
    readonly HIGHQ_CLIENT_ID: string;
    readonly HIGHQ_CLIENT_SECRET: string;
  },
  options: Partial<TokenManagerOptions> = {},
): TokenManager {
  return createTokenManager({
    instanceUrl: env.HIGHQ_INSTANCE_URL,
    clientId: env.HIGHQ_CLIENT_ID,
    clientSecret: env.HIGHQ_CLIENT_SECRET,
    store: memoryStore(),
    encryption: false,
    ...options,
    provider: { allowLoopback: true, ...options.provider },
  });
}
