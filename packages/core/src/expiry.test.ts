import { describe, expect, it } from 'vitest';
import {
  accessLifetime,
  clampMinValidity,
  DAY_MS,
  driftMs,
  horizonDaysLeft,
  idleDueAt,
  leftMs,
  MAX_ACCESS_LIFE_MS,
  MIN_ACCESS_LIFE_MS,
  REFRESH_LIFE_MS,
  refreshEndsAt,
  refreshHorizonAt,
  refreshLifetimeMs,
  remainingMs,
  startCountdown,
  thresholds,
} from './expiry.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('accessLifetime', () => {
  it.each([
    ['one second under half an hour', 1_799, 1_799_000],
    ['half an hour', 1_800, MIN_ACCESS_LIFE_MS],
    ['31 days', 2_678_400, MAX_ACCESS_LIFE_MS],
    ['a fraction, floored', 1_800.999, MIN_ACCESS_LIFE_MS],
    ['one second', 1, 1_000],
  ])('takes %s as it is', (_, seconds, lifeMs) => {
    expect(accessLifetime(seconds)).toEqual({ lifeMs, anomalies: [] });
  });

  it.each([
    ['31 days and a second', 2_678_401],
    ['F09 milliseconds sent as seconds', 18_000_000],
    ['F09 2^53+1', 2 ** 53 + 1],
    ['F09 a number over every date', 9e15],
  ])('holds %s to 31 days and says so', (_, seconds) => {
    expect(accessLifetime(seconds)).toEqual({
      lifeMs: MAX_ACCESS_LIFE_MS,
      anomalies: ['expires_in_clamped'],
    });
  });

  it.each([null, 0, 0.999, -1, -2_147_483_648, Number.NaN])(
    'F07 F08 takes %s for half an hour, never for "no expiry"',
    (seconds) => {
      expect(accessLifetime(seconds)).toEqual({
        lifeMs: MIN_ACCESS_LIFE_MS,
        anomalies: ['expires_in_missing'],
      });
    },
  );

  it('F07 takes the written life where the response has none', () => {
    expect(accessLifetime(null, 5 * HOUR)).toEqual({ lifeMs: 5 * HOUR, anomalies: ['expires_in_missing'] });
  });

  it('notices that a registration was changed', () => {
    expect(accessLifetime(1_800, MIN_ACCESS_LIFE_MS).anomalies).toEqual([]);
    expect(accessLifetime(1_801, MIN_ACCESS_LIFE_MS)).toEqual({
      lifeMs: 1_801_000,
      anomalies: ['lifetime_differs'],
    });
  });
});

describe('refreshLifetimeMs', () => {
  it('is a year unless the provider says otherwise', () => {
    expect(refreshLifetimeMs(null)).toBe(REFRESH_LIFE_MS);
    expect(refreshLifetimeMs(0)).toBe(REFRESH_LIFE_MS);
    expect(refreshLifetimeMs(31_536_000)).toBe(REFRESH_LIFE_MS);
    expect(refreshLifetimeMs(60)).toBe(60_000);
    expect(new Date(Date.UTC(2026, 0) + refreshLifetimeMs(9e15)).getTime()).toBeGreaterThan(0);
  });
});

describe('thresholds', () => {
  it.each([
    ['half an hour', 30 * MINUTE, 6 * MINUTE, 10_000],
    ['5 hours', 5 * HOUR, HOUR, 10_000],
    ['31 days', 31 * DAY_MS, HOUR, 10_000],
    ['10 minutes: at least 2 minutes', 10 * MINUTE, 2 * MINUTE, 10_000],
    ['3 minutes: at most half', 3 * MINUTE, 90_000, 9_000],
    ['a second', 1_000, 500, 50],
  ])('of %s', (_, lifeMs, shouldMs, mustMs) => {
    expect(thresholds(lifeMs)).toEqual({ shouldMs, mustMs });
  });

  it('moves the background threshold by ten percent either way, within its bounds', () => {
    expect(thresholds(5 * HOUR, 1).shouldMs).toBeCloseTo(1.1 * HOUR);
    expect(thresholds(5 * HOUR, -1).shouldMs).toBeCloseTo(0.9 * HOUR);
    expect(thresholds(10 * MINUTE, -1).shouldMs).toBe(2 * MINUTE);
    expect(thresholds(3 * MINUTE, 1).shouldMs).toBe(90_000);
  });

  it('F111 holds a wish for validity to half of the life', () => {
    expect(clampMinValidity(15 * MINUTE, 30 * MINUTE)).toBe(15 * MINUTE);
    expect(clampMinValidity(15 * MINUTE + 1, 30 * MINUTE)).toBe(15 * MINUTE);
    expect(clampMinValidity(15 * MINUTE - 1, 30 * MINUTE)).toBe(15 * MINUTE - 1);
  });
});

describe('countdown', () => {
  const token = { issuedAt: 1_000_000, lifeMs: 30 * MINUTE };

  it('never counts more than the life, whatever the store shows', () => {
    expect(leftMs(token, 1_000_000)).toBe(30 * MINUTE);
    expect(leftMs(token, 1_000_000 - DAY_MS)).toBe(30 * MINUTE);
    expect(leftMs(token, 1_000_001)).toBe(30 * MINUTE - 1);
    expect(leftMs(token, 1_000_000 + 30 * MINUTE)).toBe(0);
  });

  it('F30 F32 is over when either clock says so', () => {
    const countdown = startCountdown(1_000, { wall: 50_000, mono: 7 });
    expect(remainingMs(countdown, { wall: 50_999, mono: 1_006 })).toBe(1);
    expect(remainingMs(countdown, { wall: 51_000, mono: 8 })).toBe(0);
    expect(remainingMs(countdown, { wall: 50_000 - DAY_MS, mono: 1_007 })).toBe(0);
  });

  it('F30 is not lengthened by a second look at the same token', () => {
    const first = startCountdown(1_000, { wall: 50_000, mono: 0 });
    const second = startCountdown(1_000, { wall: 50_000 - DAY_MS, mono: 900 }, first);
    expect(remainingMs(second, { wall: 50_000 - DAY_MS, mono: 999 })).toBe(1);
    expect(remainingMs(second, { wall: 50_000 - DAY_MS, mono: 1_000 })).toBe(0);
  });

  it('F31 is set right by a second look when the wall clock jumped ahead', () => {
    const first = startCountdown(1_000, { wall: 0, mono: 0 });
    expect(remainingMs(first, { wall: DAY_MS, mono: 100 })).toBeLessThan(0);
    const second = startCountdown(900, { wall: DAY_MS, mono: 100 }, first);
    expect(remainingMs(second, { wall: DAY_MS, mono: 100 })).toBe(900);
  });

  it('tells how far the clocks have come apart', () => {
    const countdown = startCountdown(1_000, { wall: 0, mono: 0 });
    expect(driftMs(countdown, { wall: 10_000, mono: 5_000 })).toBe(5_000);
    expect(driftMs(countdown, { wall: 5_000, mono: 10_001 })).toBe(5_001);
  });
});

describe('the refresh token’s year', () => {
  const authorizedAt = 0;
  const refresh = { issuedAt: 100 * DAY_MS, lifeMs: REFRESH_LIFE_MS };

  it('F36 ends by the later count as long as nobody knows, and warns by the earlier', () => {
    expect(refreshEndsAt(refresh, authorizedAt, 'unknown')).toBe(465 * DAY_MS);
    expect(refreshEndsAt(refresh, authorizedAt, 'sliding')).toBe(465 * DAY_MS);
    expect(refreshEndsAt(refresh, authorizedAt, 'absolute')).toBe(365 * DAY_MS);
    expect(refreshHorizonAt(refresh, authorizedAt, 'unknown')).toBe(365 * DAY_MS);
    expect(refreshHorizonAt(refresh, authorizedAt, 'sliding')).toBe(465 * DAY_MS);
    expect(refreshHorizonAt(refresh, authorizedAt, 'absolute')).toBe(365 * DAY_MS);
  });

  it.each([
    [90 * DAY_MS + 1, null],
    [90 * DAY_MS, 90],
    [30 * DAY_MS + 1, 90],
    [30 * DAY_MS, 30],
    [7 * DAY_MS, 7],
    [DAY_MS + 1, 7],
    [DAY_MS, 1],
    [0, 1],
    [-1, 1],
  ])('F36 with %i ms left warns of %s days', (left, days) => {
    expect(horizonDaysLeft(400 * DAY_MS, 400 * DAY_MS - left)).toBe(days);
  });

  it('makes background renewal due at three quarters of the life, give or take', () => {
    expect(idleDueAt(refresh, 0)).toBe(100 * DAY_MS + 0.75 * REFRESH_LIFE_MS);
    expect(idleDueAt(refresh, 1)).toBeCloseTo(100 * DAY_MS + 0.77 * REFRESH_LIFE_MS, -1);
  });
});
