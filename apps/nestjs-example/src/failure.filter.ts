import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import { type Failure, failureOf, failureView } from 'example-kit';
import type { Request, Response } from 'express';
import { Pages } from './pages.ts';
import { SignInFirst } from './session.ts';

/** Whatever is not an error of hq-oauth, as a page of this program. */
@Catch()
export class FailureFilter implements ExceptionFilter {
  readonly #pages: Pages;

  constructor(@Inject(Pages) pages: Pages) {
    this.#pages = pages;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const req = host.switchToHttp().getRequest<Request>();
    const res = host.switchToHttp().getResponse<Response>();
    if (res.headersSent) return void res.destroy();
    if (error instanceof SignInFirst) {
      const to = req.method === 'GET' ? req.originalUrl : '/';
      return void res.redirect(303, `/login?to=${encodeURIComponent(to)}`);
    }
    // Programs ask for health, and want its details in a failure, too.
    if (error instanceof HttpException && req.path === '/health') {
      return void res.status(error.getStatus()).json(error.getResponse());
    }
    const { status, title, text, log } = pageFor(error);
    if (status >= 500) console.error(`${req.method} ${req.path}:`, log);
    res
      .status(status)
      .type('html')
      .send(this.#pages.show(req, title, failureView(title, text)));
  }
}

/** Nest's own exceptions have their words; whatever else there is, it came from HighQ or is a fault of this program. */
function pageFor(error: unknown): Failure {
  if (!(error instanceof HttpException) || error.getStatus() >= 500) return failureOf(error);
  const status = error.getStatus();
  if (status !== 404) return { status, title: 'Not accepted', text: error.message, log: error.message };
  const text = error.message.startsWith('Cannot ') ? 'There is no such page.' : error.message;
  return { status, title: 'Not found', text, log: error.message };
}
