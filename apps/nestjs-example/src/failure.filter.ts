import { isHighQError } from '@hq-oauth/core';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import type { Request, Response } from 'express';
import { Pages } from './pages.ts';
import { SignInFirst } from './session.ts';
import { failureView } from './views/failure.ts';

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
    const { status, title, text } = failureOf(error, req);
    res
      .status(status)
      .type('html')
      .send(this.#pages.show(req, title, failureView(title, text)));
  }
}

interface Failure {
  readonly status: number;
  readonly title: string;
  readonly text: string;
}

function failureOf(error: unknown, req: Request): Failure {
  const fromHighQ = statusFromHighQ(error);
  if (fromHighQ === 404) {
    return { status: 404, title: 'Not found', text: 'HighQ does not know what you asked for.' };
  }
  if (fromHighQ !== null) {
    console.error(`HighQ answered ${fromHighQ} to ${req.method} ${req.path}`);
    const text = `HighQ answered with an error (${fromHighQ}). Try again in a moment.`;
    return { status: 502, title: 'Something went wrong', text };
  }
  const status = error instanceof HttpException ? error.getStatus() : 500;
  if (status === 404) {
    const routeless = error instanceof HttpException && error.message.startsWith('Cannot ');
    const text = routeless || !(error instanceof HttpException) ? 'There is no such page.' : error.message;
    return { status, title: 'Not found', text };
  }
  if (status < 500 && error instanceof HttpException)
    return { status, title: 'Not accepted', text: error.message };
  console.error(error);
  return { status, title: 'Something went wrong', text: 'This program failed. Its log says how.' };
}

/** The status of an answer of HighQ's API that the client threw; `null` for any other error. */
export function statusFromHighQ(error: unknown): number | null {
  if (isHighQError(error) || !(error instanceof Error) || error.name !== 'HTTPError') return null;
  return 'response' in error && error.response instanceof globalThis.Response ? error.response.status : null;
}
