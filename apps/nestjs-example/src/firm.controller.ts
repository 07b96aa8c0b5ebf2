import {
  Body,
  Controller,
  Get,
  Header,
  Inject,
  Post,
  Query,
  Redirect,
  Req,
  Res,
  UseGuards,
} from '@nestjs/common';
import { loginView, pathIn, STYLE, signedInAs } from 'example-kit';
import type { Request, Response } from 'express';
import { Pages } from './pages.ts';
import { OwnFormGuard, Sessions } from './session.ts';

export const FIRM_PASSWORD = Symbol('firm password');

/** The firm's own sign-in, which stands in for yours. HighQ has no part in it. */
@Controller()
export class FirmController {
  readonly #pages: Pages;
  readonly #sessions: Sessions;
  readonly #password: string;

  constructor(
    @Inject(Pages) pages: Pages,
    @Inject(Sessions) sessions: Sessions,
    @Inject(FIRM_PASSWORD) password: string,
  ) {
    this.#pages = pages;
    this.#sessions = sessions;
    this.#password = password;
  }

  @Get()
  @Redirect('/matters', 303)
  start(): void {}

  @Get('style.css')
  @Header('Content-Type', 'text/css; charset=utf-8')
  @Header('Cache-Control', 'public, max-age=3600')
  style(): string {
    return STYLE;
  }

  @Get('login')
  @Header('Content-Type', 'text/html; charset=utf-8')
  login(@Req() req: Request, @Query('to') to: unknown): string {
    return this.#pages.show(req, 'Sign in', loginView({ to: pathIn(to) }));
  }

  @Post('login')
  @UseGuards(OwnFormGuard)
  signIn(
    @Req() req: Request,
    @Res() res: Response,
    @Body() { email = '', password = '', to }: Record<string, string | undefined> = {},
  ): void {
    const user = signedInAs(email, password, this.#password);
    if (!user) {
      const view = loginView({ email, failed: true, to: pathIn(to) });
      res
        .status(401)
        .type('html')
        .send(this.#pages.show(req, 'Sign in', view));
      return;
    }
    this.#sessions.begin(res, user);
    res.redirect(303, pathIn(to));
  }

  @Post('logout')
  @UseGuards(OwnFormGuard)
  signOut(@Res() res: Response): void {
    this.#sessions.end(res);
    res.redirect(303, '/login');
  }
}
