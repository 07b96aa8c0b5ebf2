import type { TokenManager } from '@hq-oauth/core';
import { Inject, Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { getHighQToken } from './highq.decorators.ts';

/** As terminus takes it. */
export type HighQHealthResult<Key extends string = string> = Record<
  Key,
  Awaited<ReturnType<TokenManager['health']>>
>;

export interface HighQHealthOptions {
  /** The module's. @default 'default' */
  readonly name?: string;
  /** Whose health to tell; needed where the module's `manager` is a function of the request. */
  readonly manager?: TokenManager;
}

/**
 * For `@nestjs/terminus`, which is not needed otherwise: `up` while the manager can serve tokens, `down` while it cannot.
 * @example health.check([() => this.highq.isHealthy('highq')])
 */
@Injectable()
export class HighQHealthIndicator {
  readonly #modules: ModuleRef;

  constructor(@Inject(ModuleRef) modules: ModuleRef) {
    this.#modules = modules;
  }

  async isHealthy<const Key extends string>(
    key: Key,
    { name, manager }: HighQHealthOptions = {},
  ): Promise<HighQHealthResult<Key>> {
    const asked = manager ?? this.#modules.get<TokenManager>(getHighQToken(name), { strict: false });
    const health = await asked.health();
    return { [key]: health } as HighQHealthResult<Key>;
  }
}
