import type { Outcome, ProviderToken, Reuse, Truth } from './world.fixture.ts';

/** Tokens are named `family.generation`, with a letter for a second one of the same parent. */
export function familyOf(token: string): string {
  return token.slice(0, token.indexOf('.'));
}

export function generationOf(token: string): number {
  return Number.parseInt(token.slice(token.indexOf('.') + 1), 10);
}

export function isLive(truth: Truth, token: string): boolean {
  return truth.tokens.some(({ name, state }) => name === token && state === 'live');
}

/** The end of the line of successors, if it is still alive. */
export function liveHeirs(truth: Truth, token: string): readonly string[] {
  const generation = generationOf(token);
  return truth.tokens
    .filter(({ name, state }) => state === 'live' && familyOf(name) === familyOf(token))
    .map(({ name }) => name)
    .filter((name) => generationOf(name) > generation);
}

/** What the provider does with a refresh request. */
export function processed(
  tokens: readonly ProviderToken[],
  presented: string,
  reuse: Reuse,
): readonly [readonly ProviderToken[], Outcome] {
  const found = tokens.find(({ name }) => name === presented);
  const refused: Outcome = { kind: 'invalid_grant' };
  if (!found || found.state === 'dead') return [tokens, refused];
  const change = (name: string, to: Partial<ProviderToken>): ProviderToken[] =>
    tokens.map((token) => (token.name === name ? { ...token, ...to } : token));
  if (found.state === 'live') {
    const successor = nameFor(tokens, presented);
    const next = change(presented, { state: 'replaced', successor });
    return [[...next, { name: successor, state: 'live', successor: null }], { kind: 'ok', token: successor }];
  }
  const heir = tokens.find(({ name }) => name === found.successor);
  switch (reuse) {
    case 'refused':
      return [tokens, refused];
    case 'family': {
      const family = familyOf(presented);
      const next = tokens.map((token) =>
        familyOf(token.name) === family ? { ...token, state: 'dead' as const } : token,
      );
      return [next, refused];
    }
    case 'same':
      // The grace ends when the successor is used.
      return heir?.state === 'live' ? [tokens, { kind: 'ok', token: heir.name }] : [tokens, refused];
    case 'fork':
    case 'replace': {
      if (heir?.state !== 'live') return [tokens, refused];
      const second = nameFor(tokens, presented);
      const kept =
        reuse === 'fork'
          ? tokens
          : change(heir.name, { state: 'dead' }).map((token) =>
              token.name === presented ? { ...token, successor: second } : token,
            );
      return [[...kept, { name: second, state: 'live', successor: null }], { kind: 'ok', token: second }];
    }
    default:
      return reuse satisfies never;
  }
}

function nameFor(tokens: readonly ProviderToken[], parent: string): string {
  const base = `${familyOf(parent)}.${generationOf(parent) + 1}`;
  for (const letter of ['', 'b', 'c', 'd', 'e', 'f']) {
    if (!tokens.some(({ name }) => name === base + letter)) return base + letter;
  }
  throw new Error('The model runs out of names.');
}
