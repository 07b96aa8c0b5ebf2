import { createHash, timingSafeEqual } from 'node:crypto';

/** A person of the firm. Each has a HighQ connection of their own, by this id. */
export interface FirmUser {
  readonly id: string;
  readonly name: string;
  readonly email: string;
}

export const FIRM_USERS: readonly FirmUser[] = [
  { id: 'amara', name: 'Amara Okafor', email: 'amara@hartwell-lyle.example' },
  { id: 'jonas', name: 'Jonas Lindqvist', email: 'jonas@hartwell-lyle.example' },
];

export function firmUser(id: string): FirmUser | null {
  return FIRM_USERS.find((user) => user.id === id) ?? null;
}

/** Stands in for the firm's own directory. */
export function signedInAs(email: string, password: string, firmPassword: string): FirmUser | null {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const right = timingSafeEqual(digest(password), digest(firmPassword));
  const user = FIRM_USERS.find((one) => one.email === email.trim().toLowerCase());
  return right && user ? user : null;
}
