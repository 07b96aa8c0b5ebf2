import type { TokenStore } from '@hq-oauth/core';
import { postgresStore } from '@hq-oauth/store-postgres';
import { sqliteStore } from '@hq-oauth/store-sqlite';
import { type DynamicModule, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Pool } from 'pg';
import type { Config } from './config.ts';

type Where = Pick<Config, 'databasePath' | 'databaseUrl'>;

/** Where tokens are kept: PostgreSQL when an address is configured, else a file. Made here, so closed here. */
export class Tokens implements OnApplicationShutdown {
  readonly store: TokenStore;
  readonly #pool: Pool | null;

  private constructor(store: TokenStore, pool: Pool | null) {
    this.store = store;
    this.#pool = pool;
  }

  static async open({ databasePath, databaseUrl }: Where): Promise<Tokens> {
    if (databaseUrl === undefined) return new Tokens(sqliteStore({ path: databasePath }), null);
    const pool = new Pool({ connectionString: databaseUrl });
    // Without a listener, an idle connection that is lost would end the program.
    pool.on('error', (error) => console.warn(error.message));
    try {
      const store = postgresStore({ pool, schema: 'matters' });
      await store.migrate();
      return new Tokens(store, pool);
    } catch (error) {
      await pool.end();
      throw error;
    }
  }

  /** Nest ends a module before those that it imports: the token manager has stored what it holds by now. */
  async onApplicationShutdown(): Promise<void> {
    await this.store.close();
    await this.#pool?.end();
  }
}

@Module({})
export class TokensModule {
  static in(where: Where): DynamicModule {
    return {
      module: TokensModule,
      providers: [{ provide: Tokens, useFactory: () => Tokens.open(where) }],
      exports: [Tokens],
    };
  }
}
