/**
 * The expiry model: pure functions of instants (epoch ms) and durations (ms). Nothing here reads a clock.
 * Source of the figures: HighQ's registration form (30 minutes to 1 month, default 5 hours; refresh token one year).
 */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** The shortest life that a registration can give its access tokens. */
export const MIN_ACCESS_LIFE_MS = 30 * MINUTE_MS;
/** The longest: a calendar month has at most 31 days. */
export const MAX_ACCESS_LIFE_MS = 31 * DAY_MS;
/** A refresh token's life when the provider does not say. */
export const REFRESH_LIFE_MS = 365 * DAY_MS;
/** Clocks that differ by more than this have drifted apart, and the store's clock is asked again. */
export const CLOCK_DRIFT_MS = 5 * SECOND_MS;
/** While the old access token works, an uncertain refresh is not probed earlier than this before its end. */
export const PROBE_BEFORE_EXPIRY_MS = 5 * MINUTE_MS;
/** Days before the refresh token's end at which a warning is due. */
export const HORIZON_DAYS = [90, 30, 7, 1] as const;

export interface Lifetime {
  readonly lifeMs: number;
  readonly anomalies: readonly LifetimeAnomaly[];
}
export type LifetimeAnomaly = 'expires_in_missing' | 'expires_in_clamped' | 'lifetime_differs';

/**
 * The life of an access token, from `expires_in` in seconds (`null`: missing or unusable) and the life that the user
 * wrote down for the registration, if any. Never "no expiry", never over 31 days.
 */
export function accessLifetime(expiresInSeconds: number | null, configuredMs?: number): Lifetime {
  const seconds = expiresInSeconds === null ? Number.NaN : Math.floor(expiresInSeconds);
  if (!(seconds >= 1)) {
    return { lifeMs: configuredMs ?? MIN_ACCESS_LIFE_MS, anomalies: ['expires_in_missing'] };
  }
  const lifeMs = Math.min(seconds * SECOND_MS, MAX_ACCESS_LIFE_MS);
  const anomalies: LifetimeAnomaly[] = [];
  if (lifeMs < seconds * SECOND_MS) anomalies.push('expires_in_clamped');
  if (configuredMs !== undefined && configuredMs !== lifeMs) anomalies.push('lifetime_differs');
  return { lifeMs, anomalies };
}

/** The life of a refresh token: as sent, up to ten years so that instants stay valid dates, else one year. */
export function refreshLifetimeMs(expiresInSeconds: number | null): number {
  const seconds = expiresInSeconds === null ? Number.NaN : Math.floor(expiresInSeconds);
  return seconds >= 1 ? Math.min(seconds * SECOND_MS, 10 * REFRESH_LIFE_MS) : REFRESH_LIFE_MS;
}

export interface Thresholds {
  /** With this much or less left, a used connection renews in the background. */
  readonly shouldMs: number;
  /** With this much or less left, the caller waits for a renewal. */
  readonly mustMs: number;
}

/**
 * Both thresholds come from the *issued* life, so that a short registration does not rotate on every call.
 * `jitter` is -1 … 1 and moves the background threshold by up to 10 %.
 */
export function thresholds(lifeMs: number, jitter = 0): Thresholds {
  const shouldMs = Math.min(0.2 * lifeMs, HOUR_MS) * (1 + 0.1 * jitter);
  return {
    shouldMs: Math.min(Math.max(shouldMs, 2 * MINUTE_MS), lifeMs / 2),
    mustMs: Math.min(10 * SECOND_MS, 0.05 * lifeMs),
  };
}

/** A wish for remaining validity, held to half of the issued life (T20, F111). */
export function clampMinValidity(minValidityMs: number, lifeMs: number): number {
  return Math.min(minValidityMs, lifeMs / 2);
}

/** What is left of a token at `now` by the store's clock. An `issuedAt` in the future never lengthens a life. */
export function leftMs(
  token: { readonly issuedAt: number; readonly lifeMs: number },
  storeNow: number,
): number {
  return Math.min(token.lifeMs, token.issuedAt + token.lifeMs - storeNow);
}

export interface ClockReading {
  readonly wall: number;
  readonly mono: number;
}

/** Issued in the future: the clock that dated it, or the one that asks, was wrong, and what is left is unknown. */
export function datedAhead(token: { readonly issuedAt: number }, storeNow: number): boolean {
  return token.issuedAt > storeNow + CLOCK_DRIFT_MS;
}

/** A token's remaining life, counted down on this process's two clocks from one answer of the store. */
export interface Countdown {
  readonly startedAt: ClockReading;
  readonly wallEndsAt: number;
  readonly monoEndsAt: number;
}

/**
 * Starts a countdown. With the `previous` one of the *same* token, the monotonic end never moves back into the
 * future: a clock that was set back does not lengthen a life (F30).
 */
export function startCountdown(left: number, at: ClockReading, previous?: Countdown): Countdown {
  const monoEndsAt = at.mono + left;
  return {
    startedAt: at,
    wallEndsAt: at.wall + left,
    monoEndsAt: previous ? Math.min(previous.monoEndsAt, monoEndsAt) : monoEndsAt,
  };
}

/** What is left: expired if either clock says so. */
export function remainingMs(countdown: Countdown, at: ClockReading): number {
  return Math.min(countdown.wallEndsAt - at.wall, countdown.monoEndsAt - at.mono);
}

/** How far the two clocks have moved apart since the countdown started. */
export function driftMs(countdown: Countdown, at: ClockReading): number {
  return Math.abs(at.wall - countdown.startedAt.wall - (at.mono - countdown.startedAt.mono));
}

/**
 * Whether `until`, which was set `atMostMs` ahead at the most, is still ahead. Further ahead than that, it was set by a
 * clock that has since been set back, and counts as over: nobody waits a day for a pause of a minute.
 */
export function isAhead(until: number, atMostMs: number, now: number): boolean {
  return until > now && until <= now + atMostMs + CLOCK_DRIFT_MS;
}

export type RefreshYear = 'unknown' | 'sliding' | 'absolute';

interface RefreshFacts {
  readonly issuedAt: number;
  readonly lifeMs: number;
}

/**
 * When the refresh token has certainly ended. Whether a rotation starts the year anew is unknown, so only `absolute`
 * counts from the authorization here; a grant is not given up on a guess.
 */
export function refreshEndsAt(refresh: RefreshFacts, authorizedAt: number, year: RefreshYear): number {
  return (year === 'absolute' ? Math.min(authorizedAt, refresh.issuedAt) : refresh.issuedAt) + refresh.lifeMs;
}

/** When to warn for: the earlier of the two ends, as long as nobody has probed which one holds. */
export function refreshHorizonAt(refresh: RefreshFacts, authorizedAt: number, year: RefreshYear): number {
  return (year === 'sliding' ? refresh.issuedAt : Math.min(authorizedAt, refresh.issuedAt)) + refresh.lifeMs;
}

/** The warning that is due at `now`: the smallest of 90, 30, 7, 1 days that is not less than what is left. */
export function horizonDaysLeft(horizonAt: number, now: number): number | null {
  const left = horizonAt - now;
  const due = HORIZON_DAYS.filter((days) => left <= days * DAY_MS);
  return due.at(-1) ?? null;
}

/** When background renewal of an idle connection is due: at 75 % of the refresh token's life, give or take 2 %. */
export function idleDueAt(refresh: RefreshFacts, jitter: number): number {
  return Math.floor(refresh.issuedAt + refresh.lifeMs * (0.75 + 0.02 * jitter));
}
