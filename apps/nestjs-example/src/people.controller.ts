import { type Connection, isHighQError } from '@hq-oauth/core';
import { HighQ, HighQGuard } from '@hq-oauth/nestjs';
import { Controller, Get, Header, Inject, Query, Req, UseGuards } from '@nestjs/common';
import type { Request } from 'express';
import { statusFromHighQ } from './failure.filter.ts';
import { type Person, personByEmail } from './highq-api.ts';
import { Pages } from './pages.ts';
import { FirmGuard } from './session.ts';
import { peopleView } from './views/people.ts';

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
    const found = email === '' ? {} : await lookUp(highq, email);
    return this.#pages.show(req, 'People', peopleView({ email, ...found }), 'people');
  }
}

async function lookUp(highq: Connection, email: string): Promise<{ found: Person } | { note: string }> {
  try {
    return { found: await personByEmail(highq.client, email) };
  } catch (error) {
    const status = statusFromHighQ(error);
    if (status === 403 || (isHighQError(error) && error.code === 'permission_denied')) {
      return { note: 'HighQ does not let you look this person up.' };
    }
    if (status === 404) return { note: 'HighQ knows nobody with this address.' };
    throw error;
  }
}
