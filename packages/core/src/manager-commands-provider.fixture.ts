import type { Clock } from './clock.ts';
import type { IntentView, RowView } from './simulation/row-view.fixture.ts';
import { timings } from './timings.ts';
import type {
  TokenConnection,
  TokenEndpoint,
  TokenOutcome,
  TokenRequest,
  TokenResponse,
} from './token-outcome.ts';

const { leaseMs: LEASE_MS, responseMs: RESPONSE_MS, lingerMs: LINGER_MS } = timings();
export const LIFE_MS = 30 * 60_000;

/** What becomes of the next token request. */
export const FATES = [
  'lost before',
  'lost after',
  '502 before',
  '502 after',
  'unreadable',
  '429',
  'invalid_client',
  'slow',
  'later than its client waits',
  'unreachable',
  'the store fails with its answer',
] as const;
export type Fate = (typeof FATES)[number];

/**
 * `under way`: not processed yet. `dropped`: never will be. `declined`: nor was it, and the sender has been told.
 * `rotated`: a new pair was issued, nobody has it. `received`: its sender has it. `refused`: spent or revoked.
 */
type Verdict = 'under way' | 'dropped' | 'declined' | 'rotated' | 'received' | 'refused';

export interface Sender {
  readonly name: string;
  readonly alive: boolean;
}

/** One refresh token presented. */
interface Entry {
  readonly generation: string;
  readonly at: number;
  readonly by: Sender;
  verdict: Verdict;
}

interface Grant {
  generation: number;
  revoked: boolean;
  /** How often people had disconnected when its code was exchanged. */
  departures: number;
}

interface Answer {
  readonly outcome: TokenOutcome;
  readonly verdict?: Verdict;
}

interface Surroundings {
  readonly clock: Clock;
  /** Lets everything else go first, as long as it likes. */
  readonly turn: (label: string) => Promise<void>;
  readonly note: (line: string) => void;
  readonly violated: (rule: string, text: string) => void;
  readonly storeFails: () => void;
  /** How the outcome is told, to break it on purpose. */
  readonly told: (outcome: TokenOutcome) => TokenOutcome;
}

export function placeOf(token: string): { readonly grant: number; readonly generation: number } {
  const [, grant, generation] = /^[AR]TOKENf(\d+)g(\d+)$/.exec(token) ?? [];
  return { grant: Number(grant), generation: Number(generation) };
}

/** A token endpoint that rotates strictly, and judges by its ledger what is presented and who is declared dead. */
export class Provider {
  fate: Fate | null = null;
  #departures = 0;
  readonly #ledger: Entry[] = [];
  readonly #grants: Grant[] = [];
  /** The last intent written, per refresh token. */
  readonly #intents = new Map<string, { readonly by: string; readonly intent: IntentView }>();
  readonly #expiry = new Map<string, number>();
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** A grant whose first pair is given for `code<number>`. */
  authorize(): number {
    return this.#grants.push({ generation: 0, revoked: false, departures: 0 }) - 1;
  }

  revoke(): void {
    for (const grant of this.#grants) grant.revoked = true;
  }

  leftMs(accessToken: string): number {
    return (this.#expiry.get(accessToken) ?? 0) - this.#around.clock.now();
  }

  /** A grant may end only when it was revoked, or its live pair was issued and nobody has it. */
  #died(token: string, reason: string): void {
    const at = placeOf(token);
    const grant = this.#grants[at.grant];
    if (grant?.revoked) return;
    const nobodyHasIt = this.#presentations(token).some(
      ({ verdict, by }) => verdict === 'rotated' || (verdict === 'received' && !by.alive),
    );
    if (!nobodyHasIt || grant?.generation !== at.generation + 1)
      this.#around.violated('I7', `${token} declared dead (${reason}) while its live pair is not lost`);
    else if (reason !== 'rotation_outcome_lost')
      this.#around.violated('I7', `the loss of ${token}'s successor is told as ${reason}`);
  }

  #presentations(token: string): readonly Entry[] {
    return this.#ledger.filter(({ generation }) => generation === token);
  }

  #presented(by: Sender, token: string): Entry {
    const { clock, violated, note } = this.#around;
    const now = clock.monotonic();
    note(`${by.name} presents ${token}`);
    const earlier = this.#presentations(token).filter(({ verdict }) => verdict !== 'declined');
    for (const { verdict, at, by: first } of earlier) {
      if (verdict === 'under way')
        violated('I1', `${by.name} presents ${token} while the request of ${first.name} is under way`);
      if (now - at < LEASE_MS)
        violated('I6', `${by.name} presents ${token} again, ${now - at} ms after ${first.name}`);
      if (verdict === 'received' && first.alive)
        violated('I6', `${by.name} presents ${token} although ${first.name} has what replaced it`);
    }
    this.#checkIntent(by, token, earlier.length > 0);
    const entry: Entry = { generation: token, at: now, by, verdict: 'under way' };
    this.#ledger.push(entry);
    return entry;
  }

  /** The record as it was and as it stands now: whose intent it has, whom it leaves out, whom it declares dead. */
  written(by: string, before: RowView | null, next: RowView): void {
    const { refresh, intent, dead } = next;
    if (next.disconnectedAt !== null && next.epoch !== before?.epoch) this.#departures += 1;
    if (!refresh) return;
    if (intent) this.#intents.set(refresh, { by, intent });
    else this.#intents.delete(refresh);
    const { grant } = placeOf(refresh);
    const fresh = !before?.refresh || placeOf(before.refresh).grant !== grant;
    if (fresh && this.#grants[grant]?.departures !== this.#departures)
      this.#around.violated('I2', `${refresh} was written over a disconnect that came after its sign-in`);
    if (dead && !before?.dead) this.#died(refresh, dead.reason);
  }

  #checkIntent({ name }: Sender, token: string, again: boolean): void {
    const { clock, violated } = this.#around;
    const { by, intent } = this.#intents.get(token) ?? {};
    const lasts = (intent?.leaseUntil ?? 0) - clock.now() >= RESPONSE_MS + LINGER_MS;
    if (by !== name || (intent?.kind !== 'refresh' && intent?.kind !== 'probe') || !lasts)
      violated('I4', `${name} presents ${token} without an intent of its own for it that lasts`);
    if (again && intent?.kind === 'refresh') violated('I6', `${name} presents ${token} again unannounced`);
  }

  endpoint(sender: Sender, clock: Clock): TokenEndpoint {
    return {
      connect: async (): Promise<TokenConnection> => {
        await this.#around.turn(`${sender.name} connects`);
        if (this.fate === 'unreachable') {
          this.fate = null;
          throw new Error('connection refused');
        }
        return {
          close: () => undefined,
          send: async (request, maySend) =>
            maySend?.() === false ? LEASE_TOO_SHORT : this.#send(sender, clock, request),
        };
      },
      close: async () => undefined,
    };
  }

  #send(sender: Sender, clock: Clock, request: TokenRequest): Promise<TokenOutcome> {
    const entry =
      request.grantType === 'refresh_token' ? this.#presented(sender, request.refreshToken) : null;
    const { fate } = this;
    this.fate = null;
    if (fate) this.#around.note(`the fate of ${sender.name}'s request: ${fate}`);
    return new Promise((resolve) => {
      let over = false;
      const tell = ({ outcome, verdict }: Answer): void => {
        if (over || !sender.alive) return;
        over = true;
        cancel();
        if (fate === 'the store fails with its answer') this.#around.storeFails();
        if (entry && verdict) entry.verdict = verdict;
        const told = this.#around.told(outcome);
        this.#around.note(`${sender.name} is told ${told.kind}`);
        resolve(told);
      };
      const cancel = clock.setTimer(() => tell({ outcome: unknown('timeout') }), RESPONSE_MS);
      void this.#travel(sender, request, fate, entry).then((answer) => answer && tell(answer));
    });
  }

  /** `null`: no answer ever comes. */
  async #travel(
    { name }: Sender,
    request: TokenRequest,
    fate: Fate | null,
    entry: Entry | null,
  ): Promise<Answer | null> {
    const { clock, turn } = this.#around;
    const judged = (verdict: Verdict): void => {
      if (entry) entry.verdict = verdict;
    };
    const back = async (answer: Answer): Promise<Answer> => {
      await turn(`answer to ${name}`);
      return answer;
    };
    if (fate === 'lost before') {
      judged('dropped');
      return null;
    }
    const delayMs = fate === 'slow' ? 80_000 : fate === 'later than its client waits' ? 140_000 : 0;
    if (delayMs > 0) await new Promise<void>((resolve) => void clock.setTimer(resolve, delayMs));
    await turn(`request of ${name}`);
    const unprocessed = fate && UNPROCESSED.get(fate);
    if (unprocessed) {
      judged('dropped');
      return back(unprocessed);
    }
    const response = this.#processed(request);
    judged(response ? 'rotated' : 'refused');
    if (fate === 'lost after') return null;
    if (fate === '502 after') return back({ outcome: unknown('server_error') });
    if (!response) return back({ outcome: { kind: 'rejected', error: 'invalid_grant' } });
    const outcome: TokenOutcome = fate === 'unreadable' ? unreadable(response) : { kind: 'ok', response };
    return back({ outcome, verdict: 'received' });
  }

  /** `null`: refused, because the code or token was used before or its grant revoked. */
  #processed(request: TokenRequest): TokenResponse | null {
    const of =
      request.grantType === 'refresh_token'
        ? placeOf(request.refreshToken)
        : { grant: Number(request.code.slice('code'.length)), generation: 0 };
    const grant = this.#grants[of.grant];
    if (!grant || grant.revoked || grant.generation !== of.generation) return null;
    if (grant.generation === 0) grant.departures = this.#departures;
    grant.generation += 1;
    const place = `f${of.grant}g${grant.generation}`;
    this.#around.note(`the provider issues ${place}`);
    this.#expiry.set(`ATOKEN${place}`, this.#around.clock.now() + LIFE_MS);
    return {
      accessToken: `ATOKEN${place}`,
      refreshToken: `RTOKEN${place}`,
      expiresInSeconds: LIFE_MS / 1000,
      refreshExpiresInSeconds: null,
      userEmail: null,
      format: 'json',
      anomalies: [],
    };
  }
}

const LEASE_TOO_SHORT: TokenOutcome = {
  kind: 'not_sent',
  reason: 'lease_too_short',
  retryAfterMs: null,
  detail: 'too little of the lease is left',
};

function unknown(reason: 'timeout' | 'server_error'): TokenOutcome {
  return { kind: 'unknown', reason, status: reason === 'timeout' ? null : 502, retryAfterMs: null };
}

const UNPROCESSED: ReadonlyMap<Fate, Answer> = new Map([
  ['502 before', { outcome: unknown('server_error') }],
  [
    '429',
    {
      outcome: { kind: 'not_sent', reason: 'rate_limited', retryAfterMs: 10_000, detail: 'status 429' },
      verdict: 'declined',
    },
  ],
  ['invalid_client', { outcome: { kind: 'rejected', error: 'invalid_client' }, verdict: 'declined' }],
]);

/** A sender that cannot read it; the parser, asked a second time, can. */
function unreadable({ accessToken, refreshToken, expiresInSeconds }: TokenResponse): TokenOutcome {
  const body = JSON.stringify({
    access_token: accessToken,
    refresh_token: refreshToken,
    expires_in: expiresInSeconds,
    token_type: 'bearer',
  });
  return {
    kind: 'unusable',
    problem: 'unexpected_root',
    body,
    refreshToken: null,
    refreshExpiresInSeconds: null,
  };
}
