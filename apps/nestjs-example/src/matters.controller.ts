import type { Connection } from '@hq-oauth/core';
import { HighQ, HighQGuard } from '@hq-oauth/nestjs';
import {
  Controller,
  Get,
  Header,
  Inject,
  NotFoundException,
  Param,
  Query,
  Req,
  UseGuards,
} from '@nestjs/common';
import {
  type Matter,
  matters,
  mattersView,
  matterView,
  offsetIn,
  sheetPage,
  sheets,
  sheetView,
} from 'example-kit';
import type { Request } from 'express';
import { Pages } from './pages.ts';
import { FirmGuard } from './session.ts';

const HTML = 'text/html; charset=utf-8';

/** Pages that show what is in HighQ. Each call goes out with a valid token, or throws what the filter answers. */
@Controller('matters')
@UseGuards(FirmGuard, HighQGuard)
export class MattersController {
  readonly #pages: Pages;

  constructor(@Inject(Pages) pages: Pages) {
    this.#pages = pages;
  }

  @Get()
  @Header('Content-Type', HTML)
  async all(@Req() req: Request, @HighQ() highq: Connection): Promise<string> {
    return this.#pages.show(req, 'Matters', mattersView(await matters(highq.client)), 'matters');
  }

  @Get(':id')
  @Header('Content-Type', HTML)
  async one(@Req() req: Request, @HighQ() highq: Connection, @Param('id') id: string): Promise<string> {
    const matter = await matterOf(highq, id);
    const view = matterView(matter, await sheets(highq.client, matter.id));
    return this.#pages.show(req, matter.name, view, 'matters');
  }

  @Get(':id/sheets/:sheet')
  @Header('Content-Type', HTML)
  async sheet(
    @Req() req: Request,
    @HighQ() highq: Connection,
    @Param('id') id: string,
    @Param('sheet') sheetId: string,
    @Query('offset') from: unknown,
  ): Promise<string> {
    const matter = await matterOf(highq, id);
    const sheet = (await sheets(highq.client, matter.id)).find((one) => one.id === sheetId);
    if (!sheet) throw notShown();
    const offset = offsetIn(from);
    const page = await sheetPage(highq.client, sheet.id, offset);
    return this.#pages.show(req, sheet.name, sheetView(matter, sheet, page, offset), 'matters');
  }
}

async function matterOf(highq: Connection, id: string): Promise<Matter> {
  const matter = (await matters(highq.client)).find((one) => one.id === id);
  if (!matter) throw notShown();
  return matter;
}

function notShown(): NotFoundException {
  return new NotFoundException('HighQ does not show you a site or an iSheet of this number.');
}
