import type { Random } from '../clock.ts';

export interface Switches {
  readonly previousAccess: 'stays' | 'ends';
  readonly replaced: 'refused' | 'revoked' | 'same' | 'fork' | 'replace';
  readonly graceMs: number;
  readonly year: 'sliding' | 'absolute';
  /** Life of a refresh token, ms; `told`: the answer says so. */
  readonly refreshLifeMs: number;
  readonly told: boolean;
  readonly grants: 'many' | 'newest';
  readonly refusal: 'recognized' | 'unnamed' | 'named';
  readonly expiresIn: 'number' | 'missing';
  readonly accessLifeMs: number;
}

export interface Family {
  readonly id: number;
  readonly user: string;
  readonly authorizedAt: number;
  /** Why none of its refresh tokens works any more, as far as the provider knows. */
  ended: 'admin' | 'newest' | 'reuse' | null;
  /** The epoch under which it was first stored. */
  epoch: number | null;
  readonly refreshTokens: RefreshToken[];
}

export interface RefreshToken {
  readonly text: string;
  readonly family: Family;
  /** How many rotations led to it; 1 for the one that a sign-in gave. */
  readonly depth: number;
  readonly parent: RefreshToken | null;
  readonly issuedAt: number;
  state: 'live' | 'replaced' | 'ended';
  replacedAt: number;
  readonly successors: Grant[];
}

export interface AccessToken {
  readonly text: string;
  readonly family: Family;
  readonly depth: number;
  expiresAt: number;
}

export interface Grant {
  readonly access: AccessToken;
  readonly refresh: RefreshToken;
  readonly expiresInSeconds: number | null;
  readonly refreshExpiresInSeconds: number | null;
}

export type Reply = { readonly kind: 'tokens'; readonly grant: Grant } | { readonly kind: 'refused' };

/** The provider as far as tokens go, with a ledger of all that it ever issued. It shares nothing with core. */
export class Provider {
  readonly switches: Switches;
  readonly families: Family[] = [];
  readonly refreshTokens = new Map<string, RefreshToken>();
  readonly accessTokens = new Map<string, AccessToken>();
  downUntil = 0;
  rotations = 0;
  readonly #codes = new Map<string, { readonly user: string; used: boolean }>();
  readonly #now: () => number;
  readonly #random: Random;
  #serial = 0;

  constructor(switches: Switches, now: () => number, random: Random) {
    this.switches = switches;
    this.#now = now;
    this.#random = random;
  }

  /** A person signs in and allows the application. */
  authorize(user: string): string {
    this.#serial += 1;
    const code = `CODE${this.#serial}`;
    this.#codes.set(code, { user, used: false });
    return code;
  }

  exchange(code: string): Reply {
    const known = this.#codes.get(code);
    if (!known || known.used) return { kind: 'refused' };
    known.used = true;
    if (this.switches.grants === 'newest') {
      for (const family of this.families) if (family.user === known.user) this.end(family, 'newest');
    }
    const family: Family = {
      id: this.families.length + 1,
      user: known.user,
      authorizedAt: this.#now(),
      ended: null,
      epoch: null,
      refreshTokens: [],
    };
    this.families.push(family);
    return { kind: 'tokens', grant: this.#issue(family, null) };
  }

  refresh(text: string): Reply {
    const token = this.refreshTokens.get(text);
    if (!token || token.family.ended || token.state === 'ended' || this.#tooOld(token))
      return { kind: 'refused' };
    if (token.state === 'live') {
      token.state = 'replaced';
      token.replacedAt = this.#now();
      return { kind: 'tokens', grant: this.#rotate(token) };
    }
    const { replaced, graceMs } = this.switches;
    const graced = this.#now() - token.replacedAt <= graceMs;
    const last = token.successors.at(-1);
    switch (replaced) {
      case 'refused':
        return { kind: 'refused' };
      case 'revoked':
        this.end(token.family, 'reuse');
        return { kind: 'refused' };
      case 'same':
        if (!graced || last?.refresh.state !== 'live') return { kind: 'refused' };
        return { kind: 'tokens', grant: last };
      case 'fork':
        return graced ? { kind: 'tokens', grant: this.#rotate(token) } : { kind: 'refused' };
      case 'replace':
        if (!graced || last?.refresh.state !== 'live') return { kind: 'refused' };
        last.refresh.state = 'ended';
        return { kind: 'tokens', grant: this.#rotate(token) };
      default:
        return replaced satisfies never;
    }
  }

  /** Ends every token of a family. */
  end(family: Family, why: NonNullable<Family['ended']>): void {
    family.ended ??= why;
    for (const token of family.refreshTokens) token.state = 'ended';
  }

  familyOf(user: string): Family | null {
    return this.families.findLast((family) => family.user === user) ?? null;
  }

  isLive(token: RefreshToken): boolean {
    return token.state === 'live' && !token.family.ended && !this.#tooOld(token);
  }

  #tooOld(token: RefreshToken): boolean {
    const from = this.switches.year === 'absolute' ? token.family.authorizedAt : token.issuedAt;
    return this.#now() >= from + this.switches.refreshLifeMs;
  }

  tooOld(token: RefreshToken): boolean {
    return this.#tooOld(token);
  }

  #rotate(token: RefreshToken): Grant {
    this.rotations += 1;
    if (this.switches.previousAccess === 'ends') {
      for (const access of this.accessTokens.values()) {
        if (access.family === token.family && access.depth <= token.depth) access.expiresAt = this.#now();
      }
    }
    return this.#issue(token.family, token);
  }

  #issue(family: Family, parent: RefreshToken | null): Grant {
    const { accessLifeMs, refreshLifeMs, expiresIn, told } = this.switches;
    this.#serial += 1;
    const name = `${this.#serial}x${this.#random.id().replace(/[^a-z0-9]/gi, '')}`;
    const depth = (parent?.depth ?? 0) + 1;
    const access: AccessToken = {
      text: `ATOKEN${name}`,
      family,
      depth,
      expiresAt: this.#now() + accessLifeMs,
    };
    const refresh: RefreshToken = {
      text: `RTOKEN${name}`,
      family,
      depth,
      parent,
      issuedAt: this.#now(),
      state: 'live',
      replacedAt: 0,
      successors: [],
    };
    this.accessTokens.set(access.text, access);
    this.refreshTokens.set(refresh.text, refresh);
    family.refreshTokens.push(refresh);
    const grant: Grant = {
      access,
      refresh,
      expiresInSeconds: expiresIn === 'missing' ? null : accessLifeMs / 1_000,
      refreshExpiresInSeconds: told ? refreshLifeMs / 1_000 : null,
    };
    parent?.successors.push(grant);
    return grant;
  }
}
