import type { TokenManagerOptions } from '@hq-oauth/core';
import { HighQExceptionFilter, HighQModule } from '@hq-oauth/nestjs';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import type { Request } from 'express';
import type { Config } from './config.ts';
import { ConnectionController } from './connection.controller.ts';
import { FailureFilter } from './failure.filter.ts';
import { FIRM_PASSWORD, FirmController } from './firm.controller.ts';
import { HealthController } from './health.controller.ts';
import { MattersController } from './matters.controller.ts';
import { Pages } from './pages.ts';
import { PeopleController } from './people.controller.ts';
import { SESSION_OPTIONS, Sessions } from './session.ts';
import { Tokens, TokensModule } from './tokens.module.ts';

/** For requests under way, and then for a refresh whose new tokens are not stored yet. */
export const STOP_MS = 10_000;

/** What the token manager gets beside the `HIGHQ_…` variables. */
export type ManagerOptions = Omit<TokenManagerOptions, 'store' | 'redirectUri'>;

/** Who is signed in to this program. */
@Module({})
class FirmModule {
  static with(config: Config): DynamicModule {
    return {
      module: FirmModule,
      providers: [{ provide: SESSION_OPTIONS, useValue: config }, Sessions, Pages],
      exports: [Sessions, Pages],
    };
  }
}

@Module({})
export class AppModule {
  static with(config: Config, managerOptions: ManagerOptions): DynamicModule {
    const firm = FirmModule.with(config);
    const tokens = TokensModule.in(config);
    const highq = HighQModule.forRootAsync({
      imports: [firm, tokens],
      inject: [Sessions, Tokens],
      useFactory: (sessions: Sessions, { store }: Tokens) => ({
        managerOptions: { ...managerOptions, store, redirectUri: config.redirectUri },
        closeTimeoutMs: STOP_MS,
        connectionId: (req: Request) => sessions.userOf(req)?.id,
        authorize: (req: Request, action) => sessions.userOf(req) !== null && action !== 'status-all',
        returnTo: '/matters',
        statusBackTo: '/connection',
      }),
    });
    return {
      module: AppModule,
      imports: [firm, highq, TerminusModule.forRoot({ logger: false })],
      controllers: [
        FirmController,
        MattersController,
        PeopleController,
        ConnectionController,
        HealthController,
      ],
      providers: [
        { provide: FIRM_PASSWORD, useValue: config.firmPassword },
        // Nest asks the last one first.
        { provide: APP_FILTER, useClass: FailureFilter },
        { provide: APP_FILTER, useClass: HighQExceptionFilter },
      ],
    };
  }
}
