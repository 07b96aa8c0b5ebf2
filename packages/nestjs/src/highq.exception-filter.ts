import { isHighQError } from '@hq-oauth/core';
import { ABOUT_THE_BODY, problemResponse } from '@hq-oauth/core/web';
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import { type HighQReply, type HighQRequest, outgoingOf, send, toRequest } from './highq.http.ts';
import { currentWeb } from './highq.mount.ts';

/** Errors of any core: two copies of it may meet in one tree, and Nest asks with `instanceof`. */
class AnyHighQError {}
Object.defineProperty(AnyHighQError, Symbol.hasInstance, { value: isHighQError });

/**
 * Answers what hq-oauth threw: a page, with a button to connect where that helps, for a browser that navigates, and
 * `application/problem+json` for programs. Other errors go to your other filters.
 * @example app.useGlobalFilters(new HighQExceptionFilter())
 * @see {@link https://www.rfc-editor.org/rfc/rfc9457 RFC 9457}
 */
@Catch(AnyHighQError)
export class HighQExceptionFilter implements ExceptionFilter {
  async catch(error: unknown, host: ArgumentsHost): Promise<void> {
    // Elsewhere there is no answer to write: GraphQL, for one, has errors of its own.
    if (host.getType() !== 'http') throw error;
    const req = host.switchToHttp().getRequest<HighQRequest>();
    const res = host.switchToHttp().getResponse<HighQReply>();
    // An answer that broke off must not look like a whole one.
    if (outgoingOf(res).headersSent) return void outgoingOf(res).destroy();
    const request = toRequest(req, { withBody: false });
    const web = currentWeb(req);
    const response = web ? await web.problem(error, request, req) : problemResponse(error, request);
    if (!response) return;
    for (const name of ABOUT_THE_BODY) res.removeHeader(name);
    await send(res, response);
  }
}
