import type { Connection } from '@hq-oauth/core';
import { HighQ, HighQGuard } from '@hq-oauth/nestjs';
import { Controller, Get, Header, Inject, Query, Req, UseGuards } from '@nestjs/common';
import { lookUp, peopleView } from 'example-kit';
import type { Request } from 'express';
import { Pages } from './pages.ts';
import { FirmGuard } from './session.ts';

@Controller('people')
@UseGuards(FirmGuard, HighQGuard)
export class PeopleController {
  readonly #pages: Pages;

  constructor(@Inject(Pages) pages: Pages) {
    this.#pages = pages;
  }

  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  async people(
    @Req() req: Request,
    @HighQ() highq: Connection,
    @Query('email') wanted: unknown,
  ): Promise<string> {
    const email = typeof wanted === 'string' ? wanted.trim() : '';
    const found = email === '' ? {} : await lookUp(highq.client, email);
    return this.#pages.show(req, 'People', peopleView({ email, ...found }), 'people');
  }
}
