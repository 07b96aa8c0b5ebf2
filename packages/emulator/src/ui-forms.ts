import { DAY_MS, HOUR_MS, MINUTE_MS } from './durations.ts';
import { checkFault, type FaultInput } from './faults.ts';
import { RefusedError } from './refusal.ts';
import type { Registration } from './seed.ts';
import { mergeSwitches, type Switches } from './switches.ts';

export const EXPIRATION_UNITS = { minutes: MINUTE_MS, hours: HOUR_MS, days: DAY_MS } as const;
export type ExpirationUnit = keyof typeof EXPIRATION_UNITS;

function isUnit(text: string): text is ExpirationUnit {
  return Object.hasOwn(EXPIRATION_UNITS, text);
}

/** The largest unit that shows the duration as a whole number, or minutes. */
export function splitExpiration(tokenExpirationMs: number): { amount: number; unit: ExpirationUnit } {
  for (const unit of ['days', 'hours'] as const) {
    const amount = tokenExpirationMs / EXPIRATION_UNITS[unit];
    if (Number.isInteger(amount)) return { amount, unit };
  }
  return { amount: tokenExpirationMs / EXPIRATION_UNITS.minutes, unit: 'minutes' };
}

/** Throws {@link RefusedError} when the expiration is not a number; its limits are checked by the registrations. */
export function registrationIn(form: URLSearchParams): Partial<Omit<Registration, 'clientId'>> {
  const text = (name: string): string => (form.get(name) ?? '').trim();
  const unit = text('expirationUnit');
  const amount = text('expiration');
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(amount) || !isUnit(unit)) {
    throw new RefusedError('Token expiration time takes a number of minutes, hours or days.');
  }
  return {
    name: text('name'),
    displayName: text('displayName') || text('name'),
    description: text('description'),
    redirectUrl: text('redirectUrl') || null,
    tokenExpirationMs: Math.round(Number(amount) * EXPIRATION_UNITS[unit]),
    showAllowDeny: form.has('showAllowDeny'),
  };
}

/** Fields that were left empty are left out. Throws {@link RefusedError}. */
export function faultIn(form: URLSearchParams): FaultInput {
  const match: Record<string, string> = {};
  const fault: Record<string, unknown> = { match };
  for (const [name, value] of form) {
    const text = value.trim();
    if (text === '') continue;
    if (name === 'endpoint' || name === 'grantType' || name === 'connection') match[name] = text;
    else if (['times', 'after', 'status', 'delayMs'].includes(name)) fault[name] = Number(text);
    else fault[name] = text;
  }
  const input: unknown = fault;
  checkFault(input);
  return input;
}

export function switchesIn(current: Switches, form: URLSearchParams): Switches {
  const patch = Object.fromEntries(
    [...form].map(([name, text]) => [name, name === 'graceMs' ? Number(text) : text]),
  );
  return mergeSwitches(current, patch);
}
