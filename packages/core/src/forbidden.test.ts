import { describe, expect, it } from 'vitest';
import { type Evidence, GUESS_EVERY_MS, guessOf, refusalOf, verdictOn, YOUNG_TOKEN_MS } from './forbidden.ts';

const NOTHING: Evidence = {
  refusal: 'forbidden',
  newer: false,
  expired: false,
  tokenAgeMs: YOUNG_TOKEN_MS,
  remembered: false,
  canary: 'unasked',
  guess: 'unasked',
};
const verdict = (evidence: Partial<Evidence>) => verdictOn({ ...NOTHING, ...evidence });

describe('what a 403 means', () => {
  it.each<[string, Partial<Evidence>, ReturnType<typeof verdictOn>]>([
    [
      'F61 the store has a newer generation',
      { newer: true, expired: true, remembered: true },
      { kind: 'replay' },
    ],
    [
      'F62 a clock says it has ended',
      { expired: true, remembered: true },
      { kind: 'renew', because: 'expired' },
    ],
    ['a denial a while ago', { remembered: true }, { kind: 'pass', because: 'denied_before' }],
    ['nothing yet', {}, { kind: 'ask_canary' }],
    ['F63 the canary is allowed', { canary: 'allowed' }, { kind: 'pass', because: 'denied' }],
    ['F64 the canary is refused', { canary: 'refused' }, { kind: 'renew', because: 'canary' }],
    [
      'F64 … also on a young token',
      { canary: 'refused', tokenAgeMs: 0 },
      { kind: 'renew', because: 'canary' },
    ],
    ['F65 no canary', { canary: 'inconclusive' }, { kind: 'take_guess' }],
    ['F65 the guess is free', { canary: 'inconclusive', guess: 'free' }, { kind: 'renew', because: 'guess' }],
    [
      'F65 the guess is on it',
      { canary: 'inconclusive', guess: 'ours' },
      { kind: 'renew', because: 'guess' },
    ],
    ['F65 it is spent', { canary: 'inconclusive', guess: 'spent' }, { kind: 'pass', because: 'guess_spent' }],
    [
      'F65 the token is a millisecond too young for a guess',
      { canary: 'inconclusive', guess: 'free', tokenAgeMs: YOUNG_TOKEN_MS - 1 },
      { kind: 'pass', because: 'young_token' },
    ],
    [
      'F68 a page, the canary is allowed',
      { refusal: 'page', canary: 'allowed' },
      { kind: 'pass', because: 'gateway' },
    ],
    [
      'F68 a page, no canary',
      { refusal: 'page', canary: 'inconclusive' },
      { kind: 'pass', because: 'gateway' },
    ],
    ['F68 a page for the canary, too', { refusal: 'page', canary: 'page' }, { kind: 'take_guess' }],
    [
      'F68 a page, the canary is refused',
      { refusal: 'page', canary: 'refused' },
      { kind: 'renew', because: 'canary' },
    ],
    [
      'F65 F68 a 401, nothing else',
      { refusal: 'unauthorized', canary: 'inconclusive' },
      { kind: 'take_guess' },
    ],
    [
      'F65 F68 a 401, the guess is spent',
      { refusal: 'unauthorized', canary: 'inconclusive', guess: 'spent' },
      { kind: 'pass', because: 'guess_spent' },
    ],
    [
      'F68 a 401, the canary is allowed',
      { refusal: 'unauthorized', canary: 'allowed' },
      { kind: 'pass', because: 'denied' },
    ],
    [
      'F68 a 401 on a young token',
      { refusal: 'unauthorized', canary: 'inconclusive', tokenAgeMs: YOUNG_TOKEN_MS - 1 },
      { kind: 'pass', because: 'young_token' },
    ],
  ])('%s', (_, evidence, expected) => {
    expect(verdict(evidence)).toEqual(expected);
  });
});

describe('the guess of an hour', () => {
  const NOW = 1_800_000_000_000;
  it.each<[string, number | null, number | null, string]>([
    ['F65 none yet', null, null, 'free'],
    ['F65 an hour ago', NOW - GUESS_EVERY_MS, 3, 'free'],
    ['F65 a millisecond less than an hour ago', NOW - GUESS_EVERY_MS + 1, 2, 'spent'],
    ['F65 on this generation', NOW - 1_000, 3, 'ours'],
    ['F65 on the one before', NOW - 1_000, 2, 'spent'],
    ['F65 on nobody knows which', NOW - 1_000, null, 'spent'],
    ['F30 dated an hour ahead: a clock was set back', NOW + GUESS_EVERY_MS + 1, 3, 'free'],
  ])('%s', (_, guessAt, guessedGeneration, expected) => {
    expect(guessOf({ generation: 3, guessAt, guessedGeneration }, NOW)).toBe(expected);
  });
});

describe('what is a refusal', () => {
  it.each<[number, string | null, string | null]>([
    [403, 'application/xml', 'forbidden'],
    [403, 'application/json', 'forbidden'],
    [403, null, 'forbidden'],
    [403, 'text/html; charset=utf-8', 'page'],
    [403, 'Application/XHTML+XML', 'page'],
    [401, 'text/html', 'unauthorized'],
    [302, 'text/html', null],
    [404, 'application/xml', null],
    [500, 'text/html', null],
    [200, 'application/xml', null],
  ])('F68 %i %s: %s', (status, contentType, expected) => {
    expect(refusalOf(status, contentType)).toBe(expected);
  });
});
