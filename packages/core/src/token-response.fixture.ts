import type { TokenResponse, TokenResponseProblem } from './token-outcome.ts';
import { type ParsedTokenResponse, parseTokenResponse } from './token-response.ts';

export const ACCESS = 'E_MIswtXKgu123456RlueUXQqFvyTCxw';
export const REFRESH = 'nincFU9Jv8612343rsvgPlsv6tAc0Nks';
export const MEMBERS = {
  access_token: ACCESS,
  expires_in: 18000,
  refresh_token: REFRESH,
  token_type: 'bearer',
  useremail: 'user@clientname.com',
};

export function ok(parsed: ParsedTokenResponse): TokenResponse {
  if (parsed.kind !== 'ok') throw new Error(`refused: ${parsed.problem}`);
  return parsed.response;
}
export function no(parsed: ParsedTokenResponse): Extract<ParsedTokenResponse, { kind: 'refused' }> {
  if (parsed.kind !== 'refused') throw new Error('not refused');
  return parsed;
}
export function problem(body: string | Uint8Array, contentType?: string): TokenResponseProblem {
  return no(parseTokenResponse(body, contentType)).problem;
}
export const json = (members: Record<string, unknown>): string => JSON.stringify({ ...MEMBERS, ...members });
export function xml(members: Record<string, string | null>): string {
  const all: Record<string, unknown> = { ...MEMBERS, ...members };
  const inner = Object.entries(all).flatMap(([name, text]) =>
    text === null ? [] : `<${name}>${text}</${name}>`,
  );
  return `<TokenResponse>${inner.join('')}</TokenResponse>`;
}
