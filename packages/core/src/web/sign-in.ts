import type { Connection } from '../contracts.ts';
import { ConfigurationError, SignInError } from '../errors.ts';
import type { ConnectionStatus } from '../status.ts';
import { acceptable, accountText, belongsTo } from './acceptance.ts';
import { pkceOf, type Transaction } from './login-transaction.ts';
import { pageResponse } from './pages.ts';
import { formTargetsOf, hostOf, publicOriginOf } from './places.ts';
import { formOf, isPrefetch, refuseCrossSite } from './request.ts';
import { seeOther, type Visit, wantedPath } from './visit.ts';

/** `GET connect`: a page with a button, because a link must not begin a sign-in (F87). */
export async function connectPage(visit: Visit): Promise<Response> {
  await visit.visitor('connect');
  const returnTo = wantedPath(visit.url.searchParams.get('returnTo'), visit.settings);
  return pageResponse(
    {
      title: 'Connect to HighQ',
      over: hostOf(visit.inside.instanceUrl),
      paragraphs: [
        'You sign in at HighQ itself and come back here. Your password never passes through this application.',
      ],
      actions: [
        { kind: 'post', label: 'Connect to HighQ', to: visit.url.pathname, fields: { returnTo } },
        { kind: 'link', label: 'Not now', to: returnTo, quiet: true },
      ],
    },
    { formTargets: formTargetsOf(visit.inside.instanceUrl) },
  );
}

/** `POST connect`: begins a transaction in this browser and sends it to the provider. */
export async function connect(visit: Visit): Promise<Response> {
  const { manager, inside, transactions, cookies, settings } = visit;
  refuseCrossSite(visit.request, publicOriginOf(visit));
  const connectionId = await visit.visitor('connect');
  const { redirectUri } = inside;
  if (redirectUri === undefined) {
    throw new ConfigurationError([
      { option: 'redirectUri', env: 'HIGHQ_REDIRECT_URI', problem: 'is missing' },
    ]);
  }
  const form = await formOf(visit.request);
  const wanted = form.get('returnTo') ?? visit.url.searchParams.get('returnTo');
  const older = cookies.read('signIn');
  if (older !== null) await transactions.supersede('sign-in', older);
  const secret = await transactions.begin({
    purpose: 'sign-in',
    connectionId,
    instanceUrl: inside.instanceUrl,
    redirectUri,
    returnTo: wantedPath(wanted, settings),
    pkce: settings.pkce,
  });
  const target = manager
    .connection(connectionId)
    .authorizationUrl(settings.pkce ? { codeChallenge: pkceOf(secret).challenge } : {});
  return seeOther(target, [cookies.write('signIn', secret)]);
}

/** `GET callback`: the provider sends no `state` back, so the browser's own transaction is what proves the visit. */
export async function callback(visit: Visit): Promise<Response> {
  const { request, transactions, cookies } = visit;
  if (request.method === 'HEAD' || isPrefetch(request)) {
    return new Response(null, {
      status: request.method === 'HEAD' ? 204 : 503,
      headers: { 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' },
    });
  }
  const secret = cookies.read('signIn');
  if (secret === null) {
    throw new SignInError(
      'This browser has not begun a sign-in, or began it too long ago. Nothing was accepted. Please begin again.',
      { reason: 'transaction_missing' },
    );
  }
  // Used up before anything else is looked at: whatever follows, this transaction accepts no second callback (F83).
  const found = await transactions.consume('sign-in', secret);
  const own = belongsTo(found, secret, visit.connectionId);
  if (own) visit.returnTo = own.returnTo;
  if (found.kind === 'handled') return alreadyHandled(visit);
  const transaction = acceptable(found, own, visit);
  const connectionId = await visit.visitor('connect');
  const code = codeOf(visit.url.searchParams);
  const connection = visit.manager.connection(connectionId);
  const status = await connection.exchangeCode(code, {
    confirm: true,
    ...(transaction.pkce ? { codeVerifier: pkceOf(secret).verifier } : {}),
  });
  if (status.pending === undefined) {
    throw new SignInError('The connection was ended while the sign-in was under way. Please begin again.', {
      reason: 'pending_gone',
      connectionId,
    });
  }
  const expected = await visit.expectedUser();
  if (expected !== null) return settle(visit, connection, status.pending, expected);
  return askPerson(visit, connectionId, transaction, status.pending);
}

type Pending = NonNullable<ConnectionStatus['pending']>;

/** The application knows who must come back: no question is asked. */
async function settle(
  visit: Visit,
  connection: Connection,
  pending: Pending,
  expected: string,
): Promise<Response> {
  if (pending.userEmail === null || mailbox(pending.userEmail) !== mailbox(expected)) {
    await connection.reject({ pendingId: pending.id });
    throw new SignInError(
      'You signed in at HighQ with another account than the one that belongs to you here. Sign out at HighQ, then begin again with your own account.',
      { reason: 'unexpected_user', connectionId: connection.id },
    );
  }
  await connection.confirm({ pendingId: pending.id });
  return seeOther(visit.returnTo, [visit.cookies.clear('signIn')]);
}

async function askPerson(
  visit: Visit,
  connectionId: string,
  { instanceUrl, redirectUri, returnTo }: Transaction,
  pending: Pending,
): Promise<Response> {
  const path = visit.settings.paths.confirm;
  if (path === null) {
    const problem = 'is off, so expectedUser must name the account of every visitor';
    throw new ConfigurationError([{ option: 'routes.confirm', problem }]);
  }
  const secret = await visit.transactions.begin({
    purpose: 'confirm',
    connectionId,
    instanceUrl,
    redirectUri,
    returnTo,
    pkce: false,
    account: accountText(pending),
  });
  return seeOther(path, [visit.cookies.clear('signIn'), visit.cookies.write('confirm', secret)]);
}

/** The one code of a callback. Nothing of what the query holds goes into a message (F89). */
function codeOf(query: URLSearchParams): string {
  const names = [...query.keys()].filter((name) => /^(?:code|error)(?:\[|$)/.test(name));
  const [name] = names;
  const value = name === undefined ? '' : (query.get(name) ?? '');
  if (names.length === 1 && name === 'code' && /^[\x20-\x7e]{1,4096}$/.test(value)) return value;
  if (names.length === 1 && name === 'error') {
    const denied = value === 'access_denied';
    throw new SignInError(
      denied
        ? 'Access was not allowed at HighQ, so nothing was connected.'
        : 'HighQ ended the sign-in with an error. Please begin again.',
      { reason: denied ? 'access_denied' : 'provider_error' },
    );
  }
  throw new SignInError('What came back from HighQ is not a single code. Please begin again.', {
    reason: 'callback_malformed',
  });
}

function alreadyHandled(visit: Visit): Response {
  const { connect } = visit.settings.paths;
  const again = `${connect}?returnTo=${encodeURIComponent(visit.returnTo)}`;
  return pageResponse(
    {
      title: 'This sign-in was already handled',
      over: hostOf(visit.inside.instanceUrl),
      paragraphs: ['It counts once, and nothing was sent a second time.'],
      actions: [
        { kind: 'link', label: 'Continue', to: visit.returnTo },
        ...(connect === null
          ? []
          : [{ kind: 'link' as const, label: 'Begin again', to: again, quiet: true }]),
      ],
    },
    { referrerPolicy: 'no-referrer' },
  );
}

function mailbox(address: string): string {
  return address.trim().normalize('NFC').toLowerCase();
}
