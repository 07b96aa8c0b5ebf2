import type { TokenOutcome, TokenRequest } from '../token-outcome.ts';
import type { StoreRow } from '../token-store.ts';
import { Departures } from './departures.fixture.ts';
import type { Point } from './faults.fixture.ts';
import type { Shelf } from './journal.fixture.ts';
import type { Family, Grant, Provider, RefreshToken, Reply } from './provider.fixture.ts';
import { type RowView, viewOf } from './row-view.fixture.ts';
import type { SimProcess } from './sim-process.fixture.ts';

const SETTLE_MS = 5_000;
/** A request may be in the provider for so long: the time for its answer, and what it lingers without a client. */
const FLIGHT_MS = 150_000;
const REVALIDATE_MS = 30_000;
const HOUR_MS = 3_600_000;
const LATE_MS = 2_000;
/** What a process's idea of the store's time may be off by, and what is too little to be handed out. */
const VALID_MS = 60_000;

export interface SentRequest {
  readonly process: SimProcess;
  readonly token: RefreshToken | null;
  readonly at: number;
  readonly intentAt: number;
  readonly leaseUntil: number;
  /** The provider is through with it, or it never arrived. */
  done: boolean;
  clientDone: boolean;
  outcome: TokenOutcome | null;
  outcomeAt: number;
}

export interface Violation {
  readonly rule: string;
  readonly at: number;
  readonly text: string;
}

/** How a grant was lost: the windows of I10. */
export type Window = 'never arrived' | 'died with it' | 'written nowhere in time' | 'forgotten by the store';

interface Fate {
  receivedBy: SimProcess | null;
  receivedAt: number;
  readonly journaled: { readonly shelf: Shelf; readonly at: number }[];
  storedAt: number | null;
  storedFirst: number | null;
  /** Of an account that waited to be confirmed: its person may have said no. */
  waited: boolean;
  wiped: boolean;
}

interface Own {
  readonly view: RowView;
  readonly at: number;
}

/** What one incarnation of a process has learnt about one connection. */
interface Knowledge {
  position: { readonly epoch: number; readonly generation: number } | null;
  returned: { readonly epoch: number; readonly generation: number } | null;
  announced: (Own & { readonly leaseOver: boolean }) | null;
  intended: Own | null;
  replayedAt: number;
  readAt: number;
  staleCallAt: number | null;
  /** The tombstone that it wrote last. */
  left: RowView | null;
  /** Of the grant at `position`. */
  access: RowView['access'];
}

interface World {
  readonly now: () => number;
  readonly storeNow: () => number;
}

const time = (ms: number): string => `${(ms / 1_000).toFixed(3)}s`;

/** Watches everything that happens and knows what may. It sees all processes, the store and the ledger at once. */
export class Oracle {
  readonly violations: Violation[] = [];
  readonly history: string[] = [];
  readonly windows = new Map<number, Set<Window>>();
  readonly forgotAt = new Map<string, number>();
  /** Of whom a process said aloud that it cannot open what another had just written, and so not write what it holds. */
  readonly unwritable = new Set<string>();
  readonly #nameless = new Set<string>();
  /** Pairs of which no reader has seen more than that they are there. */
  readonly #unread = new Set<string>();
  readonly #signingIn = new Map<string, Map<symbol, SimProcess>>();
  /** How many others each sign-in has crossed. */
  readonly #met = new Map<symbol, number>();
  /** Whose sign-in has crossed two others: a row has room for one pair beside the one that stands. */
  readonly #crowded = new Set<string>();
  storeHinderedUntil = 0;
  readonly #provider: Provider;
  readonly #world: World;
  readonly #sent: SentRequest[] = [];
  readonly #fates = new Map<string, Fate>();
  readonly #positions = new Map<string, { epoch: number; generation: number }>();
  readonly #knowledge = new Map<SimProcess, Map<string, Knowledge>>();
  /** When a person last left or signed in again. */
  readonly #grantEnded = new Map<string, number>();
  readonly #departures: Departures;
  /** Sign-ins whose pair has come back, and to whom. */
  readonly #signIns: { readonly process: SimProcess; readonly refresh: RefreshToken }[] = [];

  constructor(provider: Provider, world: World) {
    this.#provider = provider;
    this.#world = world;
    this.#departures = new Departures(provider, world);
  }

  note(line: string): void {
    this.history.push(`${time(this.#world.now())} ${line}`);
  }

  violated(rule: string, text: string): void {
    this.violations.push({ rule, at: this.#world.now(), text });
    this.note(`VIOLATION ${rule} ${text}`);
  }

  #known(process: SimProcess, id: string): Knowledge {
    let all = this.#knowledge.get(process);
    if (!all) {
      all = new Map();
      this.#knowledge.set(process, all);
    }
    let known = all.get(id);
    if (!known) {
      known = {
        position: null,
        returned: null,
        announced: null,
        intended: null,
        replayedAt: -1,
        readAt: -1,
        staleCallAt: null,
        left: null,
        access: null,
      };
      all.set(id, known);
    }
    return known;
  }

  #fate(text: string): Fate {
    let fate = this.#fates.get(text);
    if (!fate) {
      fate = {
        receivedBy: null,
        receivedAt: 0,
        journaled: [],
        storedAt: null,
        storedFirst: null,
        waited: false,
        wiped: false,
      };
      this.#fates.set(text, fate);
    }
    return fate;
  }

  #name(token: RefreshToken | null): string {
    if (!token) return 'nothing';
    const nth = token.family.refreshTokens.indexOf(token) + 1;
    return `${token.family.user}/f${token.family.id}.${nth}`;
  }

  // The store

  readAnswered(process: SimProcess, id: string, row: StoreRow | null, askedAt = this.now): void {
    const known = this.#known(process, id);
    known.readAt = this.#world.now();
    // One that lay unread counts where the next one is answered: nobody can tell the time by it.
    if (!row || this.now - askedAt > LATE_MS) return;
    const view = viewOf(row.body);
    // One whose own pair does not open here is told of as unreadable, whatever else of it does.
    if (view.connected && view.tokens?.startsWith('plain.') === false) return;
    this.#learn(known, view);
  }

  #learn(known: Knowledge, view: RowView): void {
    if (!known.position || compare(view, known.position) > 0) {
      known.position = { epoch: view.epoch, generation: view.generation };
      known.access = view.access;
    }
  }

  writePoint(current: StoreRow | null, next: RowView): Point {
    const before = current ? viewOf(current.body) : null;
    const { intent } = next;
    if (intent && intent.kind !== before?.intent?.kind) return pointOf(intent.kind);
    if (intent && intent.attemptId !== before?.intent?.attemptId) return pointOf(intent.kind);
    if (intent && intent.leaseUntil !== before?.intent?.leaseUntil) return pointOf(intent.kind);
    if (next.lastEvent === before?.lastEvent)
      return next.sibling !== before.sibling ? 'cas.sibling' : 'cas.clear';
    switch (next.lastEvent.split(' ')[0]) {
      case 'refreshed':
      case 'probed':
        return 'cas.pair';
      case 'repaired':
        return next.connected && next.dead === null ? 'cas.restore' : 'cas.repair';
      case 'died':
        return 'cas.death';
      case 'disconnected':
        return 'cas.disconnect';
      case 'uncertain':
        return 'cas.quarantine';
      case 'authorized':
        return 'cas.sign-in';
      default:
        return 'cas.clear';
    }
  }

  /** A write has landed, whether or not its writer will ever learn it. */
  written(
    process: SimProcess,
    id: string,
    point: Point,
    row: StoreRow | null,
    body: string,
    unreadable: boolean,
  ): void {
    const before = row ? viewOf(row.body) : null;
    const next = viewOf(body);
    const now = this.#world.now();
    const lease = next.intent ? ` lease ${time(next.intent.leaseUntil - this.#world.storeNow())}` : '';
    this.note(`${process.name} ${point} ${id} e${next.epoch % 1e8} g${next.generation}${lease}`);
    if (unreadable) this.violated('I12', `${process.name} wrote over a row of ${id} that it cannot open`);
    if (before && compare(next, before) < 0) {
      this.violated(
        'I2',
        `${id} went back from ${before.epoch}.${before.generation} to ${next.epoch}.${next.generation}`,
      );
    }
    if (before?.refresh && compare(next, before) === 0 && next.refresh !== before.refresh) {
      this.violated('I2', `${id}: another refresh token under ${next.epoch}.${next.generation}`);
    }
    for (const text of next.held) {
      const fate = this.#fate(text);
      fate.storedAt = now;
      fate.storedFirst ??= now;
      if (text === next.pending) fate.waited = true;
      else fate.wiped = false;
    }
    if (next.refresh) this.#landed(id, before, next, next.refresh);
    const known = this.#known(process, id);
    // Whatever else is written meanwhile takes the announcement along.
    if (next.intent?.kind === 'announce' && next.intent.attemptId !== before?.intent?.attemptId) {
      const over = !before?.intent || before.intent.leaseUntil <= this.#world.storeNow() + 1;
      known.announced = { view: next, at: now, leaseOver: over };
    }
    if (next.intent?.kind === 'refresh' || next.intent?.kind === 'probe')
      known.intended = { view: next, at: now };
    if (before && before.epoch < next.epoch) this.#grantEnded.set(id, now);
    this.#departures.written(id, before, next);
    if (point === 'cas.pair' && this.#departures.isConcealed(process, id, next))
      this.violated(
        'T8',
        `${process.name} conceals when the person of ${id} left, and has read it in a journal`,
      );
    if (next.dead && before && !before.dead && compare(next, before) === 0)
      this.#died(process, id, before, next);
  }

  #landed(id: string, before: RowView | null, next: RowView, text: string): void {
    this.#positions.set(text, { epoch: next.epoch, generation: next.generation });
    const token = this.#provider.refreshTokens.get(text);
    if (!token) {
      this.violated('I2', `${id} holds a refresh token that was never issued`);
      return;
    }
    const { family } = token;
    if (family.user !== id) this.violated('I2', `${id} holds a token of ${family.user}`);
    const other = this.#provider.families.find(
      (one) => one !== family && one.user === id && one.epoch === next.epoch,
    );
    if (other) this.violated('I2', `${id}: grants ${other.id} and ${family.id} share epoch ${next.epoch}`);
    if (family.epoch === null || family.epoch < next.epoch) family.epoch = next.epoch;
    const previous = before?.refresh ? this.#provider.refreshTokens.get(before.refresh) : undefined;
    if (previous?.family !== family && this.#departures.isKnown(id, family, before))
      this.violated('T8', `${id}: grant ${family.id} is there again although its person has left it`);
    if (previous && before?.epoch === next.epoch && previous.family !== family) {
      this.violated('I2', `${id}: epoch ${next.epoch} took a write of another grant`);
    }
  }

  /** A store that fell back gives the same `rev` to other rows: a stale writer is not refused. */
  reused(process: SimProcess, id: string, rev: number): void {
    this.violated(
      'rev',
      `${process.name} wrote over a row of ${id} that it never saw, under the same rev ${rev}`,
    );
  }

  writeAnswered(process: SimProcess, id: string, point: Point, view: RowView): void {
    const known = this.#known(process, id);
    // Who slept over the answer, and cannot learn the time, is told that the store did not answer.
    if (point === 'cas.disconnect') known.left = view;
    else this.#learn(known, view);
  }

  /** What a person did was carried out, as the process sees it. */
  carriedOut(process: SimProcess, id: string): void {
    const known = this.#known(process, id);
    if (known.left) this.#learn(known, known.left);
  }

  forgot(id: string, before: StoreRow | null, after: StoreRow | null): void {
    if (before?.body === after?.body) return;
    this.forgotAt.set(id, this.#world.now());
    const lost = before ? viewOf(before.body) : null;
    const left = after ? viewOf(after.body) : null;
    for (const text of lost?.held ?? []) {
      // What stood there may only wait to be confirmed now.
      const stays = left?.held.includes(text) && (text !== left.pending || text === lost?.pending);
      if (!stays) this.#fate(text).wiped = true;
    }
    this.#departures.forgot(id, left);
  }

  #died(process: SimProcess, id: string, before: RowView, next: RowView): void {
    const token = before.refresh ? this.#provider.refreshTokens.get(before.refresh) : undefined;
    const reason = next.dead?.reason ?? '';
    this.note(`${process.name} ${id} dead: ${reason}`);
    if (!token) return;
    const sent = this.#sent.filter((request) => request.token === token && request.outcome);
    if (reason === 'refresh_token_expired') {
      // A pair counts from the first intent of its generation, however late it came, sent or not.
      const first = token.parent?.issuedAt ?? token.issuedAt;
      if (this.#world.now() < first + this.#provider.switches.refreshLifeMs - 60_000) {
        this.violated('I7', `${id} declared too old before its time`);
      }
    } else if (reason === 'refused_unrecognized') {
      const refused = sent
        .filter(({ outcome }) => outcome?.kind === 'unrecognized')
        .sort((a, b) => a.outcomeAt - b.outcomeAt);
      // A machine may sleep between an answer and what it makes of it.
      const span = this.#world.now() - (refused[0]?.outcomeAt ?? 0);
      if (refused.length < 3 || span < HOUR_MS - 60_000) {
        this.violated('I7', `${id} given up after ${refused.length} unrecognized refusals in ${time(span)}`);
      }
    } else {
      const refusal = sent.findLast(
        (request) =>
          request.process === process &&
          request.outcome?.kind === 'rejected' &&
          request.outcome.error === 'invalid_grant',
      );
      const read = this.#known(process, id).readAt;
      if (!refusal) this.violated('I7', `${id} dead (${reason}) without a refusal`);
      else if (read < refusal.outcomeAt) this.violated('I7', `${id} dead (${reason}) without a second look`);
    }
    const others = standingIn(before).filter((text) => text !== before.refresh);
    // What is sealed with a key that is not there is left to a process that has it, which is told aloud.
    const spared = process.keylessAfter === null ? others.filter((text) => this.#liveText(text)) : [];
    if (spared.length > 0) this.violated('I7', `${id} dead while its row holds a live refresh token`);
  }

  #liveText(text: string): boolean {
    const token = this.#provider.refreshTokens.get(text);
    return token !== undefined && this.#provider.isLive(token);
  }

  // Journals

  journaled(process: SimProcess, id: string, view: RowView, shelf: Shelf): void {
    this.note(`${process.name} journaled ${id} g${view.generation}`);
    for (const text of view.held) {
      const fate = this.#fate(text);
      fate.journaled.push({ shelf, at: this.#world.now() });
      if (text === view.pending) fate.waited = true;
    }
  }

  /** `at`: when the journal was looked into; what is written while the answer is on its way is not in it. */
  replayed(process: SimProcess, id: string, at: number, shelf: Shelf, found: readonly RowView[]): void {
    this.#departures.told(process, id, found);
    if (shelf.shared) this.#known(process, id).replayedAt = at;
  }

  get now(): number {
    return this.#world.now();
  }

  // The token endpoint

  sent(process: SimProcess, request: TokenRequest): SentRequest {
    const token =
      request.grantType === 'refresh_token'
        ? (this.#provider.refreshTokens.get(request.refreshToken) ?? null)
        : null;
    const now = this.#world.now();
    const id = token?.family.user ?? '';
    const known = token ? this.#known(process, id) : null;
    const entry: SentRequest = {
      process,
      token,
      at: now,
      intentAt: known?.intended?.at ?? now,
      leaseUntil: known?.intended?.view.intent?.leaseUntil ?? 0,
      done: false,
      clientDone: false,
      outcome: null,
      outcomeAt: 0,
    };
    if (request.grantType === 'refresh_token' && !token) {
      this.violated('I11', `${process.name} presented something that was never a refresh token`);
    }
    if (token && known) {
      this.note(`${process.name} presents ${this.#name(token)}`);
      this.#checkIntent(entry, token, known);
      this.#checkPosition(entry, token, known);
      this.#checkEarlier(entry, token, known);
      known.intended = null;
    }
    process.mode.delete(id);
    this.#sent.push(entry);
    return entry;
  }

  #checkIntent({ process }: SentRequest, token: RefreshToken, { intended }: Knowledge): void {
    const name = this.#name(token);
    if (!intended?.view.intent || intended.view.refresh !== token.text) {
      this.violated('I4', `${process.name} presented ${name} without an intent of its own for it`);
      return;
    }
    const left = intended.view.intent.leaseUntil - this.#world.storeNow();
    if (left < FLIGHT_MS - 100) {
      this.violated(
        'I4',
        `${process.name} presented ${name} with ${time(left)} of the lease left by the store's clock`,
      );
    }
  }

  #checkPosition({ process }: SentRequest, token: RefreshToken, { position }: Knowledge): void {
    const at = this.#positions.get(token.text);
    if (at && position && compare(at, position) < 0) {
      this.violated(
        'I3',
        `${process.name} presented ${at.epoch}.${at.generation} and knows ${position.epoch}.${position.generation}`,
      );
    }
  }

  #checkEarlier(entry: SentRequest, token: RefreshToken, known: Knowledge): void {
    const { process } = entry;
    const name = this.#name(token);
    for (const earlier of this.#sent) {
      if (earlier.token !== token) continue;
      // The store acknowledged one of the two intents and forgot it: whoever did not see it cannot know.
      if ((this.forgotAt.get(token.family.user) ?? -1) >= Math.min(earlier.intentAt, entry.intentAt))
        continue;
      if (!earlier.done) {
        this.violated(
          'I1',
          `${process.name} presented ${name} while the request of ${earlier.process.name} was under way`,
        );
      }
      const { outcome } = earlier;
      const definite =
        outcome !== null &&
        outcome.kind !== 'unknown' &&
        outcome.kind !== 'ok' &&
        outcome.kind !== 'unusable';
      if (definite) continue;
      const { announced } = known;
      const asProbe = known.intended?.view.intent?.kind === 'probe';
      if (!asProbe || announced?.view.refresh !== token.text || announced.at < earlier.at) {
        this.violated('I6', `${process.name} presented ${name} again without an announcement`);
      } else if (entry.intentAt - announced.at < SETTLE_MS) {
        this.violated(
          'I6',
          `${process.name} presented ${name} again ${time(entry.intentAt - announced.at)} after the announcement`,
        );
      } else if (known.replayedAt >= 0 && known.replayedAt < announced.at + SETTLE_MS) {
        this.violated('I6', `${process.name} presented ${name} again without a look into the journal since`);
      } else if (!announced.leaseOver) {
        this.violated('I6', `${process.name} announced a probe of ${name} while a lease was live`);
      }
    }
  }

  processed(process: SimProcess, sent: SentRequest, reply: Reply): void {
    const { token } = sent;
    if (!token) return;
    const issued = reply.kind === 'tokens' ? reply.grant.refresh : null;
    this.note(
      `provider answers ${process.name} for ${this.#name(token)}: ${issued ? this.#name(issued) : 'refused'}`,
    );
    for (const child of token.successors)
      if (child.refresh !== issued) this.#spentTwice(sent, token, child.refresh);
  }

  /** A refresh token that was replaced is presented again: was what replaced it out of everybody's sight? */
  #spentTwice(sent: SentRequest, token: RefreshToken, child: RefreshToken): void {
    const fate = this.#fate(child.text);
    const window = this.#windowOf(sent, fate, child);
    const { family } = token;
    const windows = this.windows.get(family.id) ?? new Set();
    this.windows.set(family.id, windows);
    if (window === null) {
      this.violated(
        'I10',
        `${sent.process.name} presented ${this.#name(token)} while its successor ${this.#name(child)} could be seen`,
      );
    } else {
      windows.add(window);
    }
  }

  #windowOf(sent: SentRequest, fate: Fate, child: RefreshToken): Window | null {
    const holder = fate.receivedBy;
    const forgotAt = this.forgotAt.get(child.family.user) ?? -1;
    // What kept others out until it presents this: nobody told its writer that it is gone.
    if (forgotAt >= sent.intentAt) return 'forgotten by the store';
    if (fate.storedFirst !== null && fate.storedFirst <= forgotAt) return 'forgotten by the store';
    // A person who left, or signed in again, has no use for it, also when it was being issued just then: its holder let go of it, and
    // then the store forgot that.
    const ended = this.#grantEnded.get(child.family.user);
    if (ended !== undefined && ended >= child.issuedAt - FLIGHT_MS && ended <= forgotAt)
      return 'forgotten by the store';
    if (!holder) return 'never arrived';
    if (holder === sent.process) return null;
    const { replayedAt } = this.#known(sent.process, child.family.user);
    const seen = fate.journaled.some(
      ({ shelf, at }) => shelf.shared && at <= replayedAt && sent.process.keylessAfter === null,
    );
    if (seen) return null;
    if (fate.storedAt !== null && fate.storedAt < sent.intentAt) return null;
    // It may have ended while the request was on its way.
    if (holder.endedAt < sent.at) return this.#endedWith(holder, fate);
    const free = sent.at - Math.max(fate.receivedAt, holder.hinderedUntil, this.storeHinderedUntil);
    return free > SETTLE_MS ? null : 'written nowhere in time';
  }

  /** A process that ends in order, and has a place for what the store does not take, leaves it there. */
  #endedWith(holder: SimProcess, fate: Fate): Window | null {
    if (fate.journaled.length > 0) return 'written nowhere in time';
    return holder.closed && holder.hasPlace && !holder.misplaced ? null : 'died with it';
  }

  told(process: SimProcess, sent: SentRequest, outcome: TokenOutcome, grant: Grant | null): void {
    sent.outcome = outcome;
    sent.outcomeAt = this.#world.now();
    const detail = 'reason' in outcome ? ` ${outcome.reason}` : 'error' in outcome ? ` ${outcome.error}` : '';
    this.note(`${process.name} is told ${outcome.kind}${detail}`);
    // Half a pair is in hand: it takes the place of the one before, and holds no access token.
    if (outcome.kind === 'unusable' && outcome.refreshToken !== null && sent.token)
      this.#known(process, sent.token.family.user).access = null;
    if (grant && (outcome.kind === 'ok' || outcome.kind === 'unusable')) {
      const fate = this.#fate(grant.refresh.text);
      if (!fate.receivedBy?.alive) {
        fate.receivedBy = process;
        fate.receivedAt = this.#world.now();
      }
    }
    if (grant && outcome.kind === 'unusable' && outcome.refreshToken === null)
      this.#unread.add(grant.refresh.text);
    // Half an answer names no account: it is not kept beside one, which might be somebody else's.
    if (grant && outcome.kind === 'unusable' && !sent.token) this.#nameless.add(grant.refresh.family.user);
    if (grant && outcome.kind === 'ok' && !sent.token)
      this.#signIns.push({ process, refresh: grant.refresh });
    const id = sent.token?.family.user;
    if (!id) return;
    if (outcome.kind === 'rejected' && outcome.error === 'invalid_grant') process.mode.set(id, 'recheck');
    if (outcome.kind === 'ok' || outcome.kind === 'unusable') process.mode.set(id, 'persist');
  }

  signingIn(process: SimProcess, id: string, under: symbol): void {
    const all = this.#signingIn.get(id) ?? new Map<symbol, SimProcess>();
    const others = [...all].filter(([, { alive }]) => alive).map(([other]) => other);
    this.#signingIn.set(id, all.set(under, process));
    this.#met.set(under, others.length);
    for (const other of others) this.#met.set(other, (this.#met.get(other) ?? 0) + 1);
    if ([under, ...others].some((one) => (this.#met.get(one) ?? 0) > 1)) this.#crowded.add(id);
  }

  signedIn(id: string, under: symbol): void {
    this.#signingIn.get(id)?.delete(under);
  }

  // What callers get

  returned(process: SimProcess, id: string, text: string, startedAt: number): void {
    const token = this.#provider.accessTokens.get(text);
    const now = this.#world.now();
    if (!token) {
      this.violated('I9', `${process.name} handed out something that was never an access token`);
      return;
    }
    if (token.family.user !== id)
      this.violated('I9', `${process.name} handed ${id} a token of ${token.family.user}`);
    const { previousAccess, replaced } = this.#provider.switches;
    // The first intent dates a token that is handed out a second time, unless the store has forgotten it.
    const undated = replaced === 'same' && this.forgotAt.has(id);
    const ended = previousAccess === 'ends' || token.family.ended !== null || undated;
    if (token.expiresAt <= now && !ended) {
      this.violated(
        'I9',
        `${process.name} handed out a token of ${id} that expired ${time(now - token.expiresAt)} ago`,
      );
    }
    const known = this.#known(process, id);
    const at = { epoch: token.family.epoch ?? 0, generation: token.depth };
    if (known.returned && compare(at, known.returned) < 0) {
      this.violated('I9', `${process.name} handed out an older token of ${id} than before`);
    }
    known.returned = at;
    this.#checkDisconnected(process, id, at.epoch, known, startedAt);
  }

  /** A valid token is served through any outage (I9): a process that has handed one out does so until it ends. */
  failed(process: SimProcess, id: string): void {
    const { returned, position, access, left: wrote } = this.#known(process, id);
    if (!process.steady || !returned || !position || !access || compare(position, returned) !== 0) return;
    // Somebody has left: a process that has seen so keeps it back with good reason, whichever of its reads told it; or that has
    // written so itself, though the store has forgotten it.
    const left = this.#departures.last(id) ?? wrote;
    if (left && left.epoch > returned.epoch) return;
    const leftMs = access.issuedAt + access.lifeMs - this.#world.storeNow();
    if (leftMs < VALID_MS) return;
    this.violated('I9', `${process.name} kept back a token of ${id} that is valid for ${time(leftMs)}`);
  }

  /** While a connection is in use, a disconnect holds from the second call after `revalidateMs` on. */
  #checkDisconnected(
    process: SimProcess,
    id: string,
    epoch: number,
    known: Knowledge,
    startedAt: number,
  ): void {
    const left = this.#departures.last(id);
    if (!left || epoch >= left.epoch || startedAt < left.at + REVALIDATE_MS) return;
    const hindered = Math.max(process.hinderedUntil, this.storeHinderedUntil, left.at + REVALIDATE_MS);
    const first = known.staleCallAt;
    if (first === null || first < hindered) {
      known.staleCallAt = startedAt;
      return;
    }
    if (startedAt - first > 1_000) {
      this.violated('F108', `${process.name} served ${id} ${time(startedAt - left.at)} after its disconnect`);
    }
  }

  leak(where: string, text: string): void {
    if (/[AR]TOKEN|SIMSECRET/.test(text)) this.violated('I11', `a secret in ${where}`);
  }

  // The end of a run

  /** Every live refresh token of the grant, and which of them are still written down where a process can find them. */
  remains(familyId: number, rows: ReadonlyMap<string, StoreRow>, shelves: readonly Shelf[]) {
    const family = this.#provider.families[familyId - 1];
    const live = (family?.refreshTokens ?? []).filter((token) => this.#provider.isLive(token));
    const row = rows.get(`grant:${family?.user}`);
    const held = new Set(row ? standingIn(viewOf(row.body)) : []);
    for (const shelf of shelves) {
      for (const entry of shelf.entries) {
        const view = viewOf(entry.body);
        const standing = row ? compare(view, viewOf(row.body)) >= 0 : true;
        if (standing) for (const text of standingIn(view)) held.add(text);
      }
    }
    return { live, found: live.filter((token) => held.has(token.text)) };
  }

  /** After all is healed and every process was asked: is what they know in the store? */
  checkKnown(id: string, row: StoreRow | null): void {
    const view = row ? viewOf(row.body) : { epoch: 0, generation: 0 };
    for (const [process, known] of this.#knowledge) {
      const { returned = null, position = null } = (process.alive && known.get(id)) || {};
      // A grant may have stood under a higher epoch that this process never saw, and the store forgot.
      const newest = returned && position && compare(position, returned) < 0 ? position : returned;
      if (newest && compare(newest, view) > 0) {
        this.violated('I3', `${process.name} knows a newer grant of ${id} than the store at the end`);
      }
    }
  }

  /** The newest grant of a connection that was ever written down, unless its person has left. */
  standing(id: string): Family | null {
    const stood = this.#provider.families.filter(({ user, epoch }) => user === id && epoch !== null);
    const newest = stood.toSorted((a, b) => (a.epoch ?? 0) - (b.epoch ?? 0)).at(-1);
    return newest && !this.#departures.hasLeft(newest) ? newest : null;
  }

  /** A live refresh token of this connection that was in the store, and that nobody has left or forgotten. */
  letGo(id: string): string | null {
    if (this.#departures.ever(id) || this.forgotAt.has(id) || this.#nameless.has(id) || this.#crowded.has(id))
      return null;
    const families = this.#provider.families.filter(({ user }) => user === id);
    const live = families
      .flatMap(({ refreshTokens }) => refreshTokens)
      .filter((token) => this.#provider.isLive(token));
    const kept = live.find(({ text, family }) => {
      if (this.#unread.has(text) && this.#hasCrossed(family)) return false;
      const { storedAt, journaled, receivedBy, waited } = this.#fate(text);
      const isInHand = family.epoch !== null && receivedBy?.alive === true;
      // A machine that slept, or whose clock was set, may have dated it below what came before it.
      const isWritten = journaled.length > 0 && (receivedBy?.steady === true || storedAt !== null);
      return !waited && (isInHand || isWritten || (family.epoch !== null && storedAt !== null));
    });
    return kept ? this.#name(kept) : null;
  }

  /** Of such a one an answer that nobody could read has no place but in the row, as long as it stands there. */
  #hasCrossed({ id, user, refreshTokens: [first] }: Family): boolean {
    return this.#provider.families.some((other) => {
      const madeAt = other.refreshTokens[0]?.issuedAt ?? Number.NEGATIVE_INFINITY;
      return other.id !== id && other.user === user && Math.abs(madeAt - (first?.issuedAt ?? 0)) < FLIGHT_MS;
    });
  }

  /** A sign-in's pair that came back to a process which lived on, and was written nowhere. */
  checkSignIns(id: string): void {
    const newest = this.#provider.families.filter(({ user }) => user === id).at(-1);
    if (
      !newest ||
      newest.epoch !== null ||
      this.#departures.ever(id) ||
      this.unwritable.has(id) ||
      this.#nameless.has(id) ||
      this.#crowded.has(id)
    )
      return;
    const given = this.#signIns.find(({ refresh }) => refresh.family === newest);
    // Kept beside the sign-in that crossed it, or where it is found when that one is refused: see letGo().
    const { storedAt = null, journaled = [] } = given ? this.#fate(given.refresh.text) : {};
    if (storedAt !== null || journaled.length > 0) return;
    if (given?.process.alive && this.#provider.isLive(given.refresh)) {
      this.violated('I5', `${given.process.name} let go of the pair of a sign-in of ${id}`);
    }
  }

  wasStored(token: RefreshToken): boolean {
    return token.depth > 1 && this.#fate(token.text).storedAt !== null;
  }

  /** In which window a live refresh token went that nobody has any more; `null`: in none. */
  whereabouts(token: RefreshToken): Window | null {
    const fate = this.#fate(token.text);
    if (fate.wiped) return 'forgotten by the store';
    if (!fate.receivedBy) return 'never arrived';
    if (fate.storedAt !== null) return null;
    // Everybody could read it there, and nobody has forgotten it.
    if (fate.journaled.some(({ shelf }) => shelf.shared)) return null;
    if (!fate.receivedBy.alive) return this.#endedWith(fate.receivedBy, fate);
    return null;
  }
}

/** Of grants that somebody has said yes to. */
function standingIn({ held, pending }: RowView): string[] {
  return held.filter((text) => text !== pending);
}

function pointOf(kind: 'refresh' | 'announce' | 'probe' | 'repair'): Point {
  switch (kind) {
    case 'refresh':
      return 'cas.intent';
    case 'announce':
      return 'cas.announce';
    case 'probe':
      return 'cas.probe';
    case 'repair':
      return 'cas.repair';
    default:
      return kind satisfies never;
  }
}

function compare(
  a: { readonly epoch: number; readonly generation: number },
  b: { readonly epoch: number; readonly generation: number },
): number {
  return a.epoch - b.epoch || a.generation - b.generation;
}
