import { ANSWER_UNREADABLE } from './flight-errors.ts';
import type { ConnectionStatus } from './status.ts';

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

/** A duration in words, in its largest whole unit: "4 hours", "2 days". */
export function inWords(ms: number): string {
  const [unit, size] = UNITS.find(([, size]) => ms >= size) ?? ['second', 1_000];
  const count = Math.floor(ms / size);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** Why this process tries no refresh for a while. */
export interface Rest {
  readonly ms: number;
  readonly message: string;
}

/** What the next call would do, and why. `now`: store's clock, epoch ms. */
export function explain(status: ConnectionStatus, now: number, rest: Rest | null = null): readonly string[] {
  const lines: string[] = [];
  const access = status.access;
  switch (status.state) {
    case 'disconnected':
      lines.push('Nobody is signed in on this connection: the next call fails with NotConnectedError.');
      break;
    case 'pending':
      lines.push(
        'Somebody signed in and the account waits to be confirmed: until then calls fail with NotConnectedError.',
      );
      break;
    case 'active':
      lines.push(
        `The access token is valid for another ${inWords((access?.expiresAt ?? now) - now)}: the next call uses it.`,
      );
      break;
    case 'expiring':
      lines.push(
        `The access token is valid for another ${inWords((access?.expiresAt ?? now) - now)}: the next call uses it${rest ? '.' : ' and renews it in the background.'}`,
      );
      lines.push(...resting(rest));
      break;
    case 'expired':
      lines.push(
        rest
          ? 'The access token has expired, and the next call fails.'
          : 'The access token has expired: the next call waits for one refresh, then goes out.',
      );
      lines.push(...resting(rest));
      break;
    case 'uncertain':
      lines.push(
        status.reason === 'quarantine'
          ? ANSWER_UNREADABLE
          : 'A refresh was sent and its outcome is unknown. It is probed when its lease is over; signing in again also resolves it.',
      );
      lines.push(...stillServed(status, now));
      break;
    case 'reauth_required':
      lines.push(
        `A person must sign in again (${status.reason ?? 'unknown reason'}): no token request is sent until then.`,
      );
      lines.push(...stillServed(status, now));
      break;
    default:
      return status.state satisfies never;
  }
  if (status.state === 'active' && status.nextRefreshAt !== null && status.nextRefreshAt > now) {
    lines.push(`A call in ${inWords(status.nextRefreshAt - now)} or later renews it in the background.`);
  }
  if (status.refresh && status.refresh.expiresAt > now && status.state !== 'reauth_required') {
    lines.push(`The refresh token is good for another ${inWords(status.refresh.expiresAt - now)} at most.`);
  }
  if (status.lastError) lines.push(`Last problem: ${status.lastError.message}`);
  return lines;
}

function resting(rest: Rest | null): readonly string[] {
  if (!rest) return [];
  return [`No refresh is tried for another ${inWords(Math.max(rest.ms, 1_000))}: ${rest.message}`];
}

/** A valid access token is handed out to its end, whatever became of its refresh token. */
function stillServed({ access }: ConnectionStatus, now: number): readonly string[] {
  if (!access || access.expiresAt <= now) return [];
  return [
    `The access token is valid for another ${inWords(access.expiresAt - now)}, and calls use it until then.`,
  ];
}
