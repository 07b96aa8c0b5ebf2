import { type HighQError, isHighQError } from '../errors.ts';
import { publicOriginOf } from './places.ts';
import { formOf, isPrefetch, prefersHtml, refuseCrossSite, wantsPage } from './request.ts';
import { isNotice, type Notice } from './status-notice.ts';
import { statusPage } from './status-page.ts';
import {
  type ConnectionPage,
  readConnections,
  readStatus,
  type StatusDocument,
  type StatusSight,
  type StatusView,
  seenAs,
} from './status-view.ts';
import { anonymous, notAuthorized, seeOther, type Visit } from './visit.ts';

/** `GET status`: the visitor's connection, or for those who may see all of them the one that `?connection=` names. */
export async function showStatus(visit: Visit): Promise<Response> {
  const { connectionId, all } = await admitted(visit);
  const { request, cookies } = visit;
  const html = prefersHtml(request);
  const read = html && request.method === 'GET' && wantsPage(request) && !isPrefetch(request);
  const told = read ? cookies.read('notice') : null;
  const view = connectionId === null ? null : await readStatus(visit, connectionId);
  const list = all ? await listBeside(visit, view) : null;
  const own = connectionId !== null && connectionId === visit.connectionId;
  const acts = own && visit.settings.statusActions;
  const sight: StatusSight = {
    view,
    list,
    own,
    may: {
      connect: html && own && (await granted(visit, 'connect')),
      renew: acts,
      disconnect: html && acts && (await granted(visit, 'disconnect')),
    },
    notice: isNotice(told) ? told : null,
    now: visit.inside.storeNow(),
  };
  const response = html ? statusPage(visit, sight) : statusJson(sight);
  response.headers.set('Vary', 'Accept');
  if (told !== null) response.headers.append('Set-Cookie', cookies.clear('notice'));
  return request.method === 'HEAD' ? new Response(null, response) : response;
}

/** Without the store there is no list, but there may still be something to show. */
/** For the page's links only: where the application throws to refuse, the page says what it has to say without them. */
async function granted(visit: Visit, action: 'connect' | 'disconnect'): Promise<boolean> {
  try {
    return await visit.may(action);
  } catch {
    return false;
  }
}

async function listBeside(visit: Visit, view: StatusView | null): Promise<ConnectionPage | null> {
  try {
    return await readConnections(visit);
  } catch (error) {
    if (view !== null && isHighQError(error) && error.code === 'store_unavailable') return null;
    throw error;
  }
}

/**
 * Who may see which connection. Somebody else's is refused in the same words whether it exists or not.
 * @throws NotConnectedError, RouteRefusedError
 */
async function admitted(
  visit: Visit,
): Promise<{ readonly connectionId: string | null; readonly all: boolean }> {
  const { connectionId: own } = visit;
  const all = await visit.may('status-all');
  if (own === null && !all) throw anonymous();
  const wanted = visit.url.searchParams.get('connection') || own;
  if (wanted !== own && !all) throw notAuthorized('status-all', own ?? undefined);
  if (!(await visit.may('status'))) throw notAuthorized('status', own ?? undefined);
  return { connectionId: wanted, all };
}

function statusJson({ view, list, now }: Pick<StatusSight, 'view' | 'list' | 'now'>): Response {
  const { status, ...shown } = view ?? {};
  const body: Partial<StatusDocument> = view ? { ...status, ...shown, ...list } : { now, ...list };
  return new Response(JSON.stringify(body), {
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    },
  });
}

/**
 * `POST status`: renews or disconnects the visitor's own connection, and shows the page again. `seen` names the grant that
 * the pressed page showed: what has changed since is not acted on, so that pressing twice renews once.
 */
export async function actOnStatus(visit: Visit): Promise<Response> {
  refuseCrossSite(visit.request, publicOriginOf(visit));
  const connectionId = await visit.visitor('status');
  const form = await formOf(visit.request);
  const connection = visit.manager.connection(connectionId);
  const action = form.get('action');
  const seen = form.get('seen');
  switch (action) {
    case 'renew': {
      const before = seenAs(await connection.status());
      if (seen !== null && seen !== before) return back(visit, connectionId, 'changed');
      try {
        const after = await connection.refresh({ force: true });
        const code = after.lastError?.code ?? 'rotation_uncertain';
        // An answer that could not be read is kept, and is no error of this call: but nothing was renewed either.
        const notice = seenAs(after) === before ? failure(code) : 'renewed';
        return back(visit, connectionId, notice);
      } catch (error) {
        if (!isHighQError(error) || !wantsPage(visit.request)) throw error;
        return back(visit, connectionId, failure(error.code, reasonOf(error)));
      }
    }
    case 'disconnect': {
      await visit.visitor('disconnect');
      const [grant] = seenAs(await connection.status()).split('.');
      if (seen !== null && seen.split('.')[0] !== grant) return back(visit, connectionId, 'changed');
      await connection.disconnect();
      return back(visit, connectionId, 'disconnected');
    }
    default:
      return new Response('The form field `action` must be renew or disconnect.', {
        status: 400,
        headers: { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' },
      });
  }
}

/** A browser goes back to the page, which tells once how it went; a program gets the new status. */
async function back(visit: Visit, connectionId: string, notice: Notice): Promise<Response> {
  const { settings, cookies } = visit;
  if (wantsPage(visit.request)) {
    return seeOther(settings.paths.status ?? settings.returnTo, [cookies.write('notice', notice)]);
  }
  const view = await readStatus(visit, connectionId);
  return statusJson({ view, list: null, now: view.now });
}

function failure(code: string, reason = ''): Notice {
  const notice = `failed.${code}${reason && `.${reason}`}`;
  return isNotice(notice) ? notice : 'failed';
}

function reasonOf(error: HighQError): string | undefined {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : undefined;
}
