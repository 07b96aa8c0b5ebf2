import type { LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { PAGE_HEADERS } from 'example-kit';
import type { NextFunction, Request, Response } from 'express';
import { AppModule, type ManagerOptions } from './app.module.ts';
import type { Config } from './config.ts';

/** The application, not listening yet. @throws ConfigurationError with every problem */
export async function createApp(
  config: Config,
  managerOptions: ManagerOptions = {},
  logger: LoggerService | false = false,
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config, managerOptions), {
    logger,
    abortOnError: false,
  });
  app.disable('x-powered-by');
  app.use((_req: Request, res: Response, next: NextFunction) => {
    res.set(PAGE_HEADERS);
    next();
  });
  return app;
}
