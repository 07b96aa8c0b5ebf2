import type { Connection } from '@hq-oauth/core';
import { AllowDisconnected, HighQ, HighQGuard } from '@hq-oauth/nestjs';
import { Controller, Get, Header, Inject, Req, UseGuards } from '@nestjs/common';
import { connectionView } from 'example-kit';
import type { Request } from 'express';
import { Pages } from './pages.ts';
import { FirmGuard } from './session.ts';

@Controller('connection')
@UseGuards(FirmGuard, HighQGuard)
export class ConnectionController {
  readonly #pages: Pages;

  constructor(@Inject(Pages) pages: Pages) {
    this.#pages = pages;
  }

  /** For those, too, who are not connected yet: the page says so, and has the button. */
  @Get()
  @AllowDisconnected()
  @Header('Content-Type', 'text/html; charset=utf-8')
  async connection(@Req() req: Request, @HighQ() highq: Connection): Promise<string> {
    const [status, history] = await Promise.all([highq.status(), highq.history({ limit: 10 })]);
    return this.#pages.show(req, 'Connection', connectionView(status, history), 'connection');
  }
}
