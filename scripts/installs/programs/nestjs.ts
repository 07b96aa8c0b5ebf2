import { type Connection, createTokenManager, memoryStore, type TokenManager } from '@hq-oauth/core';
import {
  AllowDisconnected,
  getHighQToken,
  HighQ,
  HighQExceptionFilter,
  HighQGuard,
  HighQHealthIndicator,
  HighQModule,
  type HighQModuleOptions,
  type HighQOptionsFactory,
  InjectHighQ,
} from '@hq-oauth/nestjs';
import { Controller, Get, Inject, Injectable, UseGuards } from '@nestjs/common';
import type { HealthCheckService } from '@nestjs/terminus';
import type { Request } from 'express';
import type { FastifyRequest } from 'fastify';

@Injectable()
class Settings implements HighQOptionsFactory<FastifyRequest> {
  createHighQOptions(): HighQModuleOptions<FastifyRequest> {
    return { managerOptions: { store: memoryStore() }, connectionId: (req) => req.routeOptions.url };
  }
}

@Controller()
@UseGuards(HighQGuard, HighQGuard.for('client'))
class Sites {
  readonly manager: TokenManager;
  readonly health: HighQHealthIndicator;

  constructor(
    @InjectHighQ() manager: TokenManager,
    @Inject(HighQHealthIndicator) health: HighQHealthIndicator,
  ) {
    this.manager = manager;
    this.health = health;
  }

  @Get()
  sites(@HighQ() highq: Connection, @HighQ('client') client: Connection) {
    return [highq.client('6/sites').json(), client.id];
  }

  @Get('start')
  @AllowDisconnected()
  start(@HighQ() highq: Connection | null) {
    return highq?.status();
  }

  check(checks: HealthCheckService) {
    return checks.check([() => this.health.isHealthy('highq')]);
  }
}

const manager = createTokenManager({
  instanceUrl: 'https://acme.highq.com/acme',
  clientId: '1012',
  clientSecret: 'secret',
  redirectUri: 'https://matters.example.com/highq/callback',
  encryption: false,
  store: memoryStore(),
});
const modules = [
  HighQModule.forRoot({ manager, connectionId: (req: Request) => req.get('cookie') }),
  HighQModule.forRoot({
    name: 'firm',
    manager,
    connectionId: 'firm',
    authorize: (req: Request) => req.secure,
  }),
  HighQModule.forRootAsync({ name: 'client', isGlobal: true, useClass: Settings }),
  HighQModule.forRootAsync({
    name: 'again',
    inject: [getHighQToken('firm')],
    useFactory: async (given: TokenManager) => ({
      manager: given,
      connectionId: (req: FastifyRequest) => req.headers.cookie,
    }),
  }),
];
console.log(modules.length, Sites.name, typeof new HighQExceptionFilter().catch);
void manager.close();
