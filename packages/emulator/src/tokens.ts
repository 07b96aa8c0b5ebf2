import type { EmulatorClock } from './clock.ts';
import { CODE_LIFE_MS, REFRESH_LIFE_MS } from './durations.ts';
import type { GrantType, Ledger, LedgerEntry, Verdict } from './ledger.ts';
import { fingerprintOf, newToken } from './secrets.ts';
import type { Registration, User } from './seed.ts';
import type { AccessRecord, CodeRecord, EmulatorData, GrantRecord, RefreshRecord } from './state.ts';
import type { Switches } from './switches.ts';
import { judgeAccess, judgeCode, judgeRefresh, newestSuccessor } from './verdicts.ts';

/** What tokens are judged by and written to. The getters see the newest data and switches. */
export interface TokenWorld {
  readonly data: EmulatorData;
  readonly switches: Readonly<Switches>;
  readonly clock: EmulatorClock;
  readonly ledger: Ledger;
  readonly tokenMarker: string;
}

/** Ledger entries that one request made; whether it was answered is filled in later. */
export type Trail = LedgerEntry[];

export interface IssuedPair {
  accessToken: string;
  refreshToken: string;
  /** Whole seconds that are left of each. */
  accessSeconds: number;
  refreshSeconds: number;
  user: string;
}

export type TokenOutcome = { type: 'issued'; pair: IssuedPair } | { type: 'refused'; verdict: Verdict };

export interface AccessCheck {
  verdict: Verdict;
  user: User | null;
}

interface Subject {
  grantId: string | null;
  user: string | null;
  clientId: string | null;
  generation: number | null;
}

const NOBODY: Subject = { grantId: null, user: null, clientId: null, generation: null };

export class Tokens {
  readonly #world: TokenWorld;

  constructor(world: TokenWorld) {
    this.#world = world;
  }

  /** Issues a code of 30 minutes. `answered` stays `null` unless a trail is given. */
  issueCode(
    registration: Registration,
    user: User,
    challenge: CodeRecord['challenge'],
    trail: Trail | null,
  ): string {
    const { clock, data } = this.#world;
    const issuedAt = clock.now();
    const record: CodeRecord = {
      token: newToken(this.#world.tokenMarker),
      clientId: registration.clientId,
      user: user.email,
      issuedAt,
      expiresAt: issuedAt + CODE_LIFE_MS,
      challenge,
      used: false,
    };
    data.codes.set(record.token, record);
    const subject = { ...NOBODY, user: user.email, clientId: registration.clientId };
    this.#write(
      trail,
      'issued',
      'code',
      record.token,
      fingerprintOf(record.token),
      subject,
      'ok',
      null,
      null,
    );
    return record.token;
  }

  exchangeCode(
    registration: Registration,
    token: string,
    verifier: string | null,
    trail: Trail,
  ): TokenOutcome {
    const record = this.#world.data.codes.get(token);
    const verdict = judgeCode(this.#world, record, registration, verifier);
    const fingerprint = fingerprintOf(token);
    const subject = record ? { ...NOBODY, user: record.user, clientId: record.clientId } : NOBODY;
    this.#write(trail, 'presented', 'code', token, fingerprint, subject, verdict, 'authorization_code', null);
    if (!record || verdict !== 'ok')
      return { type: 'refused', verdict: verdict === 'ok' ? 'unknown' : verdict };
    record.used = true;
    if (this.#world.switches.grants === 'newest') this.#endOlderGrants(record);
    const grant = this.#openGrant(record);
    const pair = this.#issuePair(grant, registration, 1, fingerprint, 'authorization_code', trail);
    return { type: 'issued', pair: pair.answer };
  }

  refresh(registration: Registration, token: string, trail: Trail): TokenOutcome {
    const { data, switches } = this.#world;
    const record = data.refresh.get(token);
    const grant = record && data.grants.get(record.grantId);
    const verdict = judgeRefresh(this.#world, record, grant, registration);
    const fingerprint = record?.fingerprint ?? fingerprintOf(token);
    const subject = record && grant ? this.#subject(grant, record.generation) : NOBODY;
    this.#write(trail, 'presented', 'refresh', token, fingerprint, subject, verdict, 'refresh_token', null);
    if (!record || !grant) return { type: 'refused', verdict: 'unknown' };
    if (verdict === 'grace') return this.#refreshInGrace(record, grant, registration, trail);
    if (verdict !== 'ok') {
      if (verdict === 'reused' && switches.reuse === 'family-revoked') this.#revokeGrant(grant, 'reuse');
      return { type: 'refused', verdict };
    }
    return { type: 'issued', pair: this.#rotate(record, grant, registration, trail) };
  }

  /** A token or code that came, and was not looked at because something else was wrong first. */
  noteUnprocessed(
    tokenType: 'access' | 'refresh' | 'code',
    token: string,
    grantType: GrantType | null,
    verdict: 'unprocessed' | 'archived',
    trail: Trail,
  ): void {
    const record =
      tokenType === 'access' ? this.#world.data.access.get(token) : this.#world.data.refresh.get(token);
    const grant = record && this.#world.data.grants.get(record.grantId);
    const subject = record && grant ? this.#subject(grant, record.generation) : NOBODY;
    this.#write(
      trail,
      'presented',
      tokenType,
      token,
      fingerprintOf(token),
      subject,
      verdict,
      grantType,
      null,
    );
  }

  /** Judges an access token that came with an API call, and writes it down. */
  presentAccess(token: string, trail: Trail): AccessCheck {
    const { data } = this.#world;
    const record = data.access.get(token);
    const grant = record && data.grants.get(record.grantId);
    const user = grant ? (data.users.get(grant.user) ?? null) : null;
    const verdict = judgeAccess(this.#world, record, grant, user);
    const subject = record && grant ? this.#subject(grant, record.generation) : NOBODY;
    const fingerprint = record?.fingerprint ?? fingerprintOf(token);
    this.#write(trail, 'presented', 'access', token, fingerprint, subject, verdict, null, null);
    return { verdict, user };
  }

  /** Whose token this is, without presenting it. */
  ownerOf(token: string): string | null {
    const { data } = this.#world;
    const code = data.codes.get(token);
    if (code) return code.user;
    const record = data.access.get(token) ?? data.refresh.get(token);
    return (record && data.grants.get(record.grantId)?.user) ?? null;
  }

  /**
   * Ends what a user holds, as an administrator or a security measure would: the `grant` with all its tokens, or
   * only its `access` tokens. Returns how many grants or access tokens it ended.
   */
  revoke(filter: {
    user?: string | undefined;
    clientId?: string | undefined;
    what: 'grant' | 'access';
  }): number {
    const { data, clock } = this.#world;
    const chosen = [...data.grants.values()].filter(
      (grant) =>
        grant.revokedAt === null &&
        (filter.user === undefined || grant.user === filter.user.toLowerCase()) &&
        (filter.clientId === undefined || grant.clientId === filter.clientId),
    );
    if (filter.what === 'grant') {
      for (const grant of chosen) this.#revokeGrant(grant, 'control');
      return chosen.length;
    }
    const ids = new Set(chosen.map((grant) => grant.id));
    let ended = 0;
    for (const record of data.access.values()) {
      if (!ids.has(record.grantId) || record.endedAt !== null) continue;
      record.endedAt = clock.now();
      ended += 1;
    }
    return ended;
  }

  #refreshInGrace(
    record: RefreshRecord,
    grant: GrantRecord,
    registration: Registration,
    trail: Trail,
  ): TokenOutcome {
    const { grace } = this.#world.switches;
    switch (grace) {
      case 'same': {
        const successor = newestSuccessor(this.#world, record);
        const access = successor && this.#world.data.access.get(successor.accessToken);
        if (!successor || !access) return { type: 'refused', verdict: 'reused' };
        this.#writeIssued(grant, access, successor, record.fingerprint, 'refresh_token', trail);
        return { type: 'issued', pair: this.#answer(grant, access, successor, this.#world.clock.now()) };
      }
      case 'fork':
        return { type: 'issued', pair: this.#rotate(record, grant, registration, trail) };
      case 'replace':
        this.#endDescendants(record);
        return { type: 'issued', pair: this.#rotate(record, grant, registration, trail) };
      default:
        return grace satisfies never;
    }
  }

  #rotate(record: RefreshRecord, grant: GrantRecord, registration: Registration, trail: Trail): IssuedPair {
    const { data, switches, clock } = this.#world;
    const pair = this.#issuePair(
      grant,
      registration,
      record.generation + 1,
      record.fingerprint,
      'refresh_token',
      trail,
    );
    record.replacedAt ??= clock.now();
    record.successors.push(pair.refresh.token);
    const previous = data.access.get(record.accessToken);
    if (switches.previousAccessToken === 'ends' && previous) previous.endedAt ??= clock.now();
    return pair.answer;
  }

  #issuePair(
    grant: GrantRecord,
    registration: Registration,
    generation: number,
    parent: string,
    grantType: GrantType,
    trail: Trail,
  ): { refresh: RefreshRecord; answer: IssuedPair } {
    const { data, clock, switches, tokenMarker } = this.#world;
    const now = clock.now();
    const accessToken = newToken(tokenMarker);
    const refreshToken = newToken(tokenMarker);
    const access: AccessRecord = {
      token: accessToken,
      fingerprint: fingerprintOf(accessToken),
      grantId: grant.id,
      generation,
      issuedAt: now,
      expiresAt: now + registration.tokenExpirationMs,
      endedAt: null,
    };
    const refresh: RefreshRecord = {
      token: refreshToken,
      fingerprint: fingerprintOf(refreshToken),
      grantId: grant.id,
      generation,
      accessToken,
      issuedAt: now,
      expiresAt: (switches.refreshYear === 'sliding' ? now : grant.authorizedAt) + REFRESH_LIFE_MS,
      replacedAt: null,
      successors: [],
      endedAt: null,
    };
    data.access.set(accessToken, access);
    data.refresh.set(refreshToken, refresh);
    grant.generation = Math.max(grant.generation, generation);
    this.#writeIssued(grant, access, refresh, parent, grantType, trail);
    return { refresh, answer: this.#answer(grant, access, refresh, now) };
  }

  #answer(grant: GrantRecord, access: AccessRecord, refresh: RefreshRecord, now: number): IssuedPair {
    return {
      accessToken: access.token,
      refreshToken: refresh.token,
      accessSeconds: Math.max(0, Math.floor((access.expiresAt - now) / 1000)),
      refreshSeconds: Math.max(0, Math.floor((refresh.expiresAt - now) / 1000)),
      user: grant.user,
    };
  }

  #openGrant(code: CodeRecord): GrantRecord {
    const { data, clock } = this.#world;
    const grant: GrantRecord = {
      id: `grant-${data.nextId}`,
      clientId: code.clientId,
      user: code.user,
      authorizedAt: clock.now(),
      generation: 0,
      revokedAt: null,
      revokedBecause: null,
    };
    data.nextId += 1;
    data.grants.set(grant.id, grant);
    return grant;
  }

  #endOlderGrants({ user, clientId }: CodeRecord): void {
    for (const grant of this.#world.data.grants.values()) {
      if (grant.user === user && grant.clientId === clientId) this.#revokeGrant(grant, 'newer-grant');
    }
  }

  #revokeGrant(grant: GrantRecord, because: GrantRecord['revokedBecause']): void {
    if (grant.revokedAt !== null) return;
    grant.revokedAt = this.#world.clock.now();
    grant.revokedBecause = because;
  }

  #endDescendants(record: RefreshRecord): void {
    const { data, clock } = this.#world;
    const pending = [...record.successors];
    for (let token = pending.pop(); token !== undefined; token = pending.pop()) {
      const successor = data.refresh.get(token);
      if (!successor) continue;
      successor.endedAt ??= clock.now();
      const access = data.access.get(successor.accessToken);
      if (access) access.endedAt ??= clock.now();
      pending.push(...successor.successors);
    }
  }

  #subject(grant: GrantRecord, generation: number): Subject {
    return { grantId: grant.id, user: grant.user, clientId: grant.clientId, generation };
  }

  #writeIssued(
    grant: GrantRecord,
    access: AccessRecord,
    refresh: RefreshRecord,
    parent: string,
    grantType: GrantType,
    trail: Trail,
  ): void {
    const subject = this.#subject(grant, refresh.generation);
    this.#write(
      trail,
      'issued',
      'access',
      access.token,
      access.fingerprint,
      subject,
      'ok',
      grantType,
      parent,
    );
    this.#write(
      trail,
      'issued',
      'refresh',
      refresh.token,
      refresh.fingerprint,
      subject,
      'ok',
      grantType,
      parent,
    );
  }

  #write(
    trail: Trail | null,
    kind: LedgerEntry['kind'],
    tokenType: LedgerEntry['tokenType'],
    token: string,
    fingerprint: string,
    subject: Subject,
    verdict: Verdict,
    grantType: GrantType | null,
    parent: string | null,
  ): void {
    const at = this.#world.clock.now();
    const answered = trail ? false : null;
    const entry = this.#world.ledger.add({
      at,
      kind,
      tokenType,
      token,
      fingerprint,
      ...subject,
      parent,
      verdict,
      grantType,
      answered,
    });
    trail?.push(entry);
  }
}
