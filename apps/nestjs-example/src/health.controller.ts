import { HighQHealthIndicator } from '@hq-oauth/nestjs';
import { Controller, Get, Inject } from '@nestjs/common';
import { HealthCheck, HealthCheckService } from '@nestjs/terminus';

@Controller('health')
export class HealthController {
  readonly #health: HealthCheckService;
  readonly #highq: HighQHealthIndicator;

  constructor(
    @Inject(HealthCheckService) health: HealthCheckService,
    @Inject(HighQHealthIndicator) highq: HighQHealthIndicator,
  ) {
    this.#health = health;
    this.#highq = highq;
  }

  @Get()
  @HealthCheck()
  check() {
    return this.#health.check([() => this.#highq.isHealthy('highq')]);
  }
}
