import { randomBytes } from 'node:crypto';
import type { Hono } from 'hono';
import { html } from 'hono/html';
import { parseRedirectUrl } from '../directory.ts';
import { cookieOf, type Env, readText } from '../exchange.ts';
import { errorPage, narrowPage } from '../pages.ts';
import { pageResponse, redirectResponse } from '../respond.ts';
import type { Registration, User } from '../seed.ts';
import type { CodeRecord, SessionRecord } from '../state.ts';
import type { Trail } from '../tokens.ts';
import type { World } from '../world.ts';

interface AuthorizeRequest {
  /** As it came, to be carried through the forms. */
  query: string;
  registration: Registration;
  redirectUri: URL;
  state: string | null;
  challenge: CodeRecord['challenge'];
}

const PARAMETERS = [
  'response_type',
  'client_id',
  'redirect_uri',
  'state',
  'code_challenge',
  'code_challenge_method',
];
const LARGEST_FORM_BYTES = 64 * 1024;

function redirectAllowed(world: World, registered: string | null, given: string): boolean {
  if (registered === null) return true;
  const { redirectUri } = world.switches;
  switch (redirectUri) {
    case 'any':
      return true;
    case 'exact':
      return given === registered;
    case 'prefix': {
      const [allowed, asked] = [new URL(registered), new URL(given)];
      return asked.origin === allowed.origin && asked.pathname.startsWith(allowed.pathname);
    }
    default:
      return redirectUri satisfies never;
  }
}

function challengeIn(world: World, params: URLSearchParams): CodeRecord['challenge'] | 'refused' {
  if (world.switches.pkce === 'ignored') return null;
  const value = params.get('code_challenge');
  const method = params.get('code_challenge_method') ?? 'plain';
  if (!value || !/^[\w.~-]{43,128}$/.test(value) || (method !== 'S256' && method !== 'plain'))
    return 'refused';
  return { value, method };
}

/** The request, or what is wrong with it: then nobody is sent anywhere, since the redirect URI cannot be trusted. */
function readRequest(world: World, query: string): AuthorizeRequest | string {
  const params = new URLSearchParams(query);
  const repeated = PARAMETERS.find((name) => params.getAll(name).length > 1);
  if (repeated) return `The parameter ${repeated} was sent more than once.`;
  if (params.get('response_type') !== 'code') return 'The parameter response_type must be “code”.';
  const clientId = params.get('client_id');
  if (!clientId) return 'The parameter client_id is missing.';
  const registration = world.data.registrations.get(clientId);
  if (!registration) return 'No application is registered under this client id.';
  if (registration.status === 'archived') return 'The application is archived and may not be used.';
  const given = params.get('redirect_uri') ?? registration.redirectUrl;
  if (!given) return 'The parameter redirect_uri is missing.';
  const redirectUri = parseRedirectUrl(given);
  if (!redirectUri) return 'The parameter redirect_uri is not an absolute http or https URL.';
  if (!redirectAllowed(world, registration.redirectUrl, given)) {
    return 'The redirect URI is not the one that the application is registered with.';
  }
  const challenge = challengeIn(world, params);
  if (challenge === 'refused') return 'A code challenge (PKCE) is required.';
  return { query, registration, redirectUri, state: params.get('state'), challenge };
}

interface SignedIn {
  user: User;
  session: SessionRecord;
}

function signedIn(world: World, request: Request): SignedIn | null {
  const session = world.data.sessions.get(cookieOf(request, world.cookieName) ?? '');
  const user = session && world.data.users.get(session.user);
  return session && user && !user.disabled ? { session, user } : null;
}

function callback(world: World, request: AuthorizeRequest, members: Record<string, string>): Response {
  const target = new URL(request.redirectUri);
  for (const [name, value] of Object.entries(members)) target.searchParams.append(name, value);
  if (world.switches.state === 'echoed' && request.state !== null)
    target.searchParams.append('state', request.state);
  return redirectResponse(target.href);
}

function withCode(world: World, request: AuthorizeRequest, user: User, trail: Trail): Response {
  const code = world.tokens.issueCode(request.registration, user, request.challenge, trail);
  return callback(world, request, { code });
}

async function signInPage(
  world: World,
  request: AuthorizeRequest,
  failed?: { email: string },
): Promise<Response> {
  const { registration, query } = request;
  const told = failed
    ? html`<p class="note bad" role="alert">E-mail address or password is not right.</p>`
    : '';
  const page = await narrowPage(
    'Sign in',
    html`${told}<p>to continue to <strong>${registration.displayName}</strong></p>
<form method="post" action="${world.base}/login.action">
<input type="hidden" name="query" value="${query}">
<div class="field"><label for="email">E-mail address</label><input id="email" name="email" type="email" autocomplete="username" required autofocus value="${failed?.email ?? ''}"></div>
<div class="field"><label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required></div>
<button type="submit">Sign in</button></form>`,
  );
  return pageResponse(failed ? 401 : 200, page);
}

async function allowPage(
  world: World,
  request: AuthorizeRequest,
  { user, session }: SignedIn,
): Promise<Response> {
  const { registration, query, redirectUri } = request;
  const page = await narrowPage(
    `Allow ${registration.displayName}?`,
    html`<p><strong>${registration.displayName}</strong> asks to act for you on ${world.instance}: it may read and change what you may.</p>
${registration.description ? html`<p class="soft">${registration.description}</p>` : ''}
<dl><dt>Signed in as</dt><dd>${user.firstName} ${user.lastName}<br>${user.email}</dd><dt>Returns to</dt><dd>${redirectUri.origin}</dd></dl>
<form method="post" action="${world.base}/authorize.action">
<input type="hidden" name="query" value="${query}"><input type="hidden" name="key" value="${session.formKey}">
<div class="row"><button type="submit" name="decision" value="allow">Allow</button>
<button class="plain" type="submit" name="decision" value="deny">Deny</button></div></form>
<form method="post" action="${world.base}/logout.action"><input type="hidden" name="query" value="${query}">
<p class="hint">Not you? <button class="link" type="submit">Sign out</button></p></form>`,
  );
  return pageResponse(200, page);
}

async function refusedPage(message: string): Promise<Response> {
  return pageResponse(400, await errorPage(message));
}

async function formOf(request: Request): Promise<URLSearchParams> {
  return new URLSearchParams((await readText(request, LARGEST_FORM_BYTES)) ?? '');
}

export function authorizeRoutes(app: Hono<Env>, world: World): void {
  app.get(`${world.base}/authorize.action`, (c) => {
    const request = readRequest(world, new URL(c.req.url).search.slice(1));
    if (typeof request === 'string') return refusedPage(request);
    const person = signedIn(world, c.req.raw);
    if (!person) return signInPage(world, request);
    if (request.registration.showAllowDeny) return allowPage(world, request, person);
    return withCode(world, request, person.user, c.env.exchange.trail);
  });

  app.post(`${world.base}/authorize.action`, async (c) => {
    const form = await formOf(c.req.raw);
    const request = readRequest(world, form.get('query') ?? '');
    if (typeof request === 'string') return refusedPage(request);
    const person = signedIn(world, c.req.raw);
    if (!person) return signInPage(world, request);
    if (form.get('key') !== person.session.formKey)
      return refusedPage('This form is out of date. Go back and try again.');
    const decision = form.get('decision');
    if (decision === 'allow') return withCode(world, request, person.user, c.env.exchange.trail);
    if (decision === 'deny') return callback(world, request, { error: 'access_denied' });
    return refusedPage('Choose to allow or to deny.');
  });

  app.post(`${world.base}/login.action`, async (c) => {
    const form = await formOf(c.req.raw);
    const request = readRequest(world, form.get('query') ?? '');
    if (typeof request === 'string') return refusedPage(request);
    const email = form.get('email') ?? '';
    const user = world.data.users.get(email.trim().toLowerCase());
    if (!user || user.disabled || user.password !== form.get('password'))
      return signInPage(world, request, { email });
    const id = randomBytes(24).toString('base64url');
    world.data.sessions.set(id, { user: user.email, formKey: randomBytes(16).toString('base64url') });
    return redirectResponse(`${world.base}/authorize.action?${request.query}`, {
      'set-cookie': `${world.cookieName}=${id}; Path=/; HttpOnly; SameSite=Lax`,
    });
  });

  app.post(`${world.base}/logout.action`, async (c) => {
    const form = await formOf(c.req.raw);
    world.data.sessions.delete(cookieOf(c.req.raw, world.cookieName) ?? '');
    const request = readRequest(world, form.get('query') ?? '');
    const headers = { 'set-cookie': `${world.cookieName}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax` };
    if (typeof request !== 'string')
      return redirectResponse(`${world.base}/authorize.action?${request.query}`, headers);
    return pageResponse(200, await narrowPage('Signed out', html`<p>You have signed out.</p>`), headers);
  });
}
