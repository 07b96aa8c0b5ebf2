import type { Hono } from 'hono';
import type { Env, Exchange } from '../exchange.ts';
import { type Format, formatFor, formatted, jsonResponse, xmlResponse } from '../respond.ts';
import type { Registration } from '../seed.ts';
import type { IssuedPair, TokenOutcome } from '../tokens.ts';
import type { World } from '../world.ts';

const MEMBERS = [
  'grant_type',
  'client_id',
  'client_secret',
  'code',
  'refresh_token',
  'code_verifier',
  'redirect_uri',
];

function formatOf(world: World, accept: string | null): Format {
  const { tokenFormat } = world.switches;
  switch (tokenFormat) {
    case 'accept-xml':
      return formatFor(accept, 'xml');
    case 'accept-json':
      return formatFor(accept, 'json');
    case 'xml':
    case 'json':
      return tokenFormat;
    default:
      return tokenFormat satisfies never;
  }
}

type OAuthError =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type';

function refusal(status: number, format: Format, error: OAuthError, description: string): Response {
  return formatted(status, format, 'ErrorResponse', { error, error_description: description });
}

/** A refresh token or code that is not taken, in the shape that the switch says. */
function refusedGrant(world: World, format: Format, grantType: string): Response {
  const description = grantType === 'refresh_token' ? 'Invalid refresh token' : 'Invalid authorization code';
  const { refusal: shape } = world.switches;
  switch (shape) {
    case 'json-400':
      return refusal(400, 'json', 'invalid_grant', description);
    case 'xml-400':
      return refusal(400, 'xml', 'invalid_grant', description);
    case '401':
      return refusal(401, format, 'invalid_grant', description);
    case 'xml-403':
      return xmlResponse(403, 'response', { statuscode: 403, message: 'Access denied' });
    case 'error-200':
      return refusal(200, format, 'invalid_grant', description);
    default:
      return shape satisfies never;
  }
}

function lifeMember(position: 'number' | 'string' | 'missing', seconds: number): number | string | undefined {
  if (position === 'missing') return undefined;
  return position === 'string' ? String(seconds) : seconds;
}

function tokenResponse(world: World, format: Format, pair: IssuedPair): Response {
  const { expiresIn, refreshExpiresIn } = world.switches;
  const life = lifeMember(expiresIn, pair.accessSeconds);
  const refreshLife = lifeMember(refreshExpiresIn, pair.refreshSeconds);
  const members = {
    access_token: pair.accessToken,
    ...(life === undefined ? {} : { expires_in: life }),
    refresh_token: pair.refreshToken,
    ...(refreshLife === undefined ? {} : { refresh_token_expires_in: refreshLife }),
    token_type: 'bearer',
    useremail: pair.user,
  };
  if (format === 'json') return jsonResponse(200, members);
  return xmlResponse(200, 'TokenResponse', members);
}

function authenticated(world: World, form: URLSearchParams): Registration | null {
  const registration = world.data.registrations.get(form.get('client_id') ?? '');
  return registration && registration.clientSecret === form.get('client_secret') ? registration : null;
}

function processed(
  world: World,
  exchange: Exchange,
  registration: Registration,
  form: URLSearchParams,
): TokenOutcome | 'incomplete' {
  if (form.get('grant_type') === 'refresh_token') {
    const token = form.get('refresh_token');
    return token ? world.tokens.refresh(registration, token, exchange.trail) : 'incomplete';
  }
  const code = form.get('code');
  return code
    ? world.tokens.exchangeCode(registration, code, form.get('code_verifier'), exchange.trail)
    : 'incomplete';
}

/** Writes down the token of a request that is refused before it is looked at. */
function noteUnprocessed(world: World, exchange: Exchange, verdict: 'unprocessed' | 'archived'): void {
  const grantType = exchange.form?.get('grant_type');
  if (grantType !== 'refresh_token' && grantType !== 'authorization_code') return;
  const type = grantType === 'refresh_token' ? 'refresh' : 'code';
  const token = exchange.form?.get(type === 'refresh' ? 'refresh_token' : 'code');
  if (token) world.tokens.noteUnprocessed(type, token, grantType, verdict, exchange.trail);
}

export function tokenRoutes(app: Hono<Env>, world: World): void {
  app.all(`${world.base}/api/oauth2/token`, (c) => {
    const { exchange } = c.env;
    const format = formatOf(world, c.req.header('accept') ?? null);
    if (c.req.method !== 'POST') {
      const response = refusal(405, format, 'invalid_request', 'POST is required');
      response.headers.set('allow', 'POST');
      return response;
    }
    const { form } = exchange;
    const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/x-www-form-urlencoded' || !form) {
      return refusal(400, format, 'invalid_request', 'A form body is required');
    }
    const repeated = MEMBERS.find((member) => form.getAll(member).length > 1);
    if (repeated) return refusal(400, format, 'invalid_request', `${repeated} was sent more than once`);
    const grantType = form.get('grant_type');
    if (!grantType) return refusal(400, format, 'invalid_request', 'grant_type is missing');
    if (grantType !== 'authorization_code' && grantType !== 'refresh_token') {
      return refusal(400, format, 'unsupported_grant_type', 'Unsupported grant type');
    }
    const registration = authenticated(world, form);
    if (!registration) {
      noteUnprocessed(world, exchange, 'unprocessed');
      return refusal(401, format, 'invalid_client', 'Invalid client credentials');
    }
    if (registration.status === 'archived') {
      noteUnprocessed(world, exchange, 'archived');
      return refusal(400, format, 'unauthorized_client', 'The application is archived');
    }
    const outcome = processed(world, exchange, registration, form);
    if (outcome === 'incomplete')
      return refusal(400, format, 'invalid_request', 'The token or code is missing');
    return outcome.type === 'issued'
      ? tokenResponse(world, format, outcome.pair)
      : refusedGrant(world, format, grantType);
  });
}
