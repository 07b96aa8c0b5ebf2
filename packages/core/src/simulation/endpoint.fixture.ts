import type { TokenConnection, TokenEndpoint, TokenOutcome, TokenRequest } from '../token-outcome.ts';
import type { Fault } from './faults.fixture.ts';
import type { Oracle, SentRequest } from './oracle.fixture.ts';
import type { Grant, Provider, Reply } from './provider.fixture.ts';
import type { VirtualQueue } from './queue.fixture.ts';
import { MESSAGE_FAULTS, type SimProcess, type Surroundings } from './sim-process.fixture.ts';

const CONNECT_MS = 5_000;
const RESPONSE_MS = 90_000;

export interface Network {
  readonly queue: VirtualQueue;
  readonly around: Surroundings;
  readonly provider: Provider;
  readonly oracle: Oracle;
  /** Sends whatever is left of the lease. */
  readonly hasty?: boolean;
}

/** The way from one process to the provider, as core's own endpoint would report it. */
export function simEndpoint(process: SimProcess, network: Network): TokenEndpoint {
  const { queue } = network;
  const cut = (): boolean => process.providerCutUntil > queue.now;
  return {
    async connect(): Promise<TokenConnection> {
      const give = Promise.withResolvers<TokenConnection>();
      const giveUp = process.clock.setTimer(() => give.reject(new Error('connect timed out')), CONNECT_MS);
      const refused = new Error('connection refused');
      process
        .ask('connect', () => null, { reachable: () => !cut(), lost: () => refused })
        .then(() => give.resolve(connection(process, network)), give.reject);
      return give.promise.finally(giveUp);
    },
    close: async () => undefined,
  };
}

function connection(process: SimProcess, network: Network): TokenConnection {
  const { queue, around, oracle } = network;
  let used = false;
  return {
    close() {
      used = true;
    },
    async send(request, maySend) {
      if (used) return { kind: 'not_sent', reason: 'connect_failed', retryAfterMs: null, detail: 'closed' };
      used = true;
      if (!process.alive) return new Promise<TokenOutcome>(() => undefined);
      if (maySend && !maySend() && !network.hasty) {
        oracle.note(`${process.name} lease too short`);
        return { kind: 'not_sent', reason: 'lease_too_short', retryAfterMs: null, detail: 'lease too short' };
      }
      const point = request.grantType === 'refresh_token' ? 'send' : 'exchange';
      const operation = process.next(point);
      const fault = around.faultAt(process, operation, point);
      if (fault?.kind === 'crash-before') {
        around.strike(process, fault);
        return new Promise<TokenOutcome>(() => undefined);
      }
      const sent = oracle.sent(process, request);
      if (fault && !MESSAGE_FAULTS.has(fault.kind) && fault.kind !== 'crash-after')
        around.strike(process, fault);
      return new Promise<TokenOutcome>((resolve) =>
        travel({ process, network, request, sent, fault, operation, resolve }),
      );
      function travel(trip: Trip): void {
        carry(trip, queue);
      }
    },
  };
}

interface Trip {
  readonly process: SimProcess;
  readonly network: Network;
  readonly request: TokenRequest;
  readonly sent: SentRequest;
  readonly fault: Fault | null;
  readonly operation: string;
  readonly resolve: (outcome: TokenOutcome) => void;
}

function carry(trip: Trip, queue: VirtualQueue): void {
  const { process, network, request, sent, fault, operation } = trip;
  const { around, provider, oracle } = network;
  const kind = fault?.kind ?? null;
  const cut = (): boolean => process.providerCutUntil > queue.now;
  let arrived = false;
  let over = false;
  const tell = (outcome: TokenOutcome, grant: Grant | null): void => {
    if (over || !process.alive) return;
    over = true;
    oracle.told(process, sent, outcome, grant);
    trip.resolve(outcome);
  };
  const arrive = (outcome: TokenOutcome, grant: Grant | null): void => {
    if (kind === 'doubled') queue.after(3, () => process.deliver(() => tell(outcome, grant)));
    arrived = true;
    sent.done = true;
    if (cut()) {
      arrived = false;
      return;
    }
    process.deliver(() => tell(outcome, grant));
  };
  const unknown = (
    reason: 'timeout' | 'reset' | 'server_error' | 'unexpected_html' | 'malformed',
    status: number | null,
  ) => ({ kind: 'unknown', reason, status, retryAfterMs: null }) as const;

  // A deadline that fires looks once more for an answer that lies in the buffer already.
  process.clock.setTimer(() => {
    sent.clientDone = true;
    if (!arrived) tell(unknown('timeout', null), null);
  }, RESPONSE_MS);

  const thereMs = 5 + Math.floor(around.chance(operation, 'there') * 200);
  const lateMs = kind === 'too-late' || kind === 'late' ? (fault?.ms ?? 0) : 0;
  // The provider takes its time, or its answer does.
  const works = around.chance(operation, 'works') < 0.5;
  const workMs = works ? lateMs : 0;
  const backMs = 5 + Math.floor(around.chance(operation, 'back') * 100) + (works ? 0 : lateMs);
  if (cut() || kind === 'lost-before') {
    sent.done = true;
    if (around.chance(operation, 'reset') < 0.5)
      queue.after(thereMs, () => arrive(unknown('reset', null), null));
    return;
  }
  queue.after(thereMs + workMs, () => {
    sent.done = true;
    const back = (outcome: TokenOutcome, grant: Grant | null = null): void => {
      queue.after(backMs, () => arrive(outcome, grant));
    };
    if (kind === '502-before' || provider.downUntil > queue.now) return back(unknown('server_error', 502));
    if (kind === '429') {
      const retryAfterMs = fault?.ms ? Math.max(1_000, fault.ms) : null;
      return back({ kind: 'not_sent', reason: 'rate_limited', retryAfterMs, detail: 'status 429' });
    }
    if (kind === 'unrecognized') return back({ kind: 'unrecognized', status: 403, error: null });
    if (kind === 'invalid-client') return back({ kind: 'rejected', error: 'invalid_client' });
    const reply: Reply =
      request.grantType === 'refresh_token'
        ? provider.refresh(request.refreshToken)
        : provider.exchange(request.code);
    oracle.processed(process, sent, reply);
    if (kind === 'crash-after' && fault) {
      around.strike(process, fault);
      return;
    }
    if (kind === 'lost-after') return;
    if (kind === 'reset') return back(unknown('reset', null));
    if (kind === '502-after') return back(unknown('server_error', 502));
    if (kind === 'html') return back(unknown('unexpected_html', 200));
    if (reply.kind === 'refused') return back(refusal(provider));
    const { grant } = reply;
    if (kind === 'truncated') return back(unknown('malformed', 200));
    if (kind === 'wrapped' || kind === 'wrapped-refresh') return back(unusable(grant, kind), grant);
    back(
      {
        kind: 'ok',
        response: {
          accessToken: grant.access.text,
          refreshToken: grant.refresh.text,
          expiresInSeconds: grant.expiresInSeconds,
          refreshExpiresInSeconds: grant.refreshExpiresInSeconds,
          userEmail: grant.access.family.user,
          format: 'xml',
          anomalies: [],
        },
      },
      grant,
    );
  });
}

function refusal({ switches }: Provider): TokenOutcome {
  switch (switches.refusal) {
    case 'recognized':
      return { kind: 'rejected', error: 'invalid_grant' };
    case 'unnamed':
      return { kind: 'unrecognized', status: 403, error: null };
    case 'named':
      return { kind: 'unrecognized', status: 400, error: 'invalid_token' };
    default:
      return switches.refusal satisfies never;
  }
}

/** An answer that the version in use cannot read; the next one can, as core's parser will show. */
function unusable(grant: Grant, kind: 'wrapped' | 'wrapped-refresh'): TokenOutcome {
  const member = (name: string, value: string | number | null): string =>
    value === null ? '' : `<${name}>${value}</${name}>`;
  const body = `<TokenResponse>${member('access_token', grant.access.text)}${member('expires_in', grant.expiresInSeconds)}${member('refresh_token', grant.refresh.text)}${member('refresh_token_expires_in', grant.refreshExpiresInSeconds)}<token_type>bearer</token_type></TokenResponse>`;
  return {
    kind: 'unusable',
    problem: 'unexpected_root',
    body,
    refreshToken: kind === 'wrapped' ? null : grant.refresh.text,
    refreshExpiresInSeconds: grant.refreshExpiresInSeconds,
  };
}
