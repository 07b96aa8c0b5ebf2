import { LONGEST_ACCESS_LIFE_MS, SECOND_MS, SHORTEST_ACCESS_LIFE_MS } from './durations.ts';
import { isObject, RefusedError, refuseUnknownMembers } from './refusal.ts';
import { newSecret } from './secrets.ts';
import { DEFAULT_REGISTRATION, type Registration, type User } from './seed.ts';
import type { EmulatorData } from './state.ts';

const REGISTRATION_MEMBERS = Object.keys(DEFAULT_REGISTRATION);
const USER_MEMBERS = ['id', 'email', 'password', 'firstName', 'lastName', 'restricted', 'disabled'];
const VISIBLE = /^[\x21-\x7e]{1,200}$/;
const EMAIL = /^[^\s@/?#]{1,100}@[^\s@/?#]{1,100}$/;

function checkText(value: unknown, member: string): void {
  if (typeof value !== 'string' || value.length > 2000) throw new RefusedError(`${member} takes a text`);
}

function checkFlag(value: unknown, member: string): void {
  if (typeof value !== 'boolean') throw new RefusedError(`${member} takes true or false`);
}

/** An absolute http or https URL without fragment and user information, or `null`. */
export function parseRedirectUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const plain =
    (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '';
  return plain && !text.includes('#') ? url : null;
}

function checkRegistration(registration: Registration): void {
  if (typeof registration.clientId !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(registration.clientId)) {
    throw new RefusedError('clientId takes up to 64 letters and digits');
  }
  if (typeof registration.clientSecret !== 'string' || !VISIBLE.test(registration.clientSecret)) {
    throw new RefusedError('clientSecret takes up to 200 visible characters');
  }
  for (const member of ['name', 'displayName', 'description'] as const)
    checkText(registration[member], member);
  if (registration.name.trim() === '') throw new RefusedError('name: an application name is required');
  const { redirectUrl, tokenExpirationMs, status } = registration;
  if (redirectUrl !== null && (typeof redirectUrl !== 'string' || !parseRedirectUrl(redirectUrl))) {
    throw new RefusedError('redirectUrl takes an absolute http or https URL without fragment, or null');
  }
  const within = tokenExpirationMs >= SHORTEST_ACCESS_LIFE_MS && tokenExpirationMs <= LONGEST_ACCESS_LIFE_MS;
  if (typeof tokenExpirationMs !== 'number' || !within) {
    throw new RefusedError('Token expiration time must lie between 30 minutes and 1 month (31 days)');
  }
  if (tokenExpirationMs % SECOND_MS !== 0)
    throw new RefusedError('Token expiration time takes whole seconds');
  if (status !== 'active' && status !== 'archived') throw new RefusedError('status takes active or archived');
  checkFlag(registration.showAllowDeny, 'showAllowDeny');
}

/** The instance's API application registrations. Every change is checked as the provider's form does. */
export class Registrations {
  readonly #data: () => EmulatorData;

  constructor(data: () => EmulatorData) {
    this.#data = data;
  }

  list(): Registration[] {
    return [...this.#data().registrations.values()].map((registration) => ({ ...registration }));
  }

  get(clientId: string): Registration | undefined {
    const found = this.#data().registrations.get(clientId);
    return found && { ...found };
  }

  /** Client id and secret are generated where they are left out. Throws {@link RefusedError}. */
  add(input: Partial<Registration> = {}): Registration {
    if (!isObject(input)) throw new RefusedError('registration: an object is expected');
    refuseUnknownMembers(input, REGISTRATION_MEMBERS, 'registration');
    const data = this.#data();
    const clientId = input.clientId ?? this.#nextClientId();
    if (data.registrations.has(clientId))
      throw new RefusedError(`registration ${clientId} is there already`, 409);
    const { tokenExpirationMs, showAllowDeny } = DEFAULT_REGISTRATION;
    const name = input.name ?? `application-${clientId}`;
    const registration: Registration = {
      clientSecret: newSecret(),
      name,
      displayName: name,
      description: '',
      redirectUrl: null,
      tokenExpirationMs,
      status: 'active',
      showAllowDeny,
      ...input,
      clientId,
    };
    checkRegistration(registration);
    data.registrations.set(clientId, registration);
    return { ...registration };
  }

  /** Throws {@link RefusedError} for an unknown client id or a value that the form refuses. */
  update(clientId: string, patch: Partial<Omit<Registration, 'clientId'>>): Registration {
    if (!isObject(patch)) throw new RefusedError('registration: an object is expected');
    refuseUnknownMembers(patch, REGISTRATION_MEMBERS, 'registration');
    const current = this.#data().registrations.get(clientId);
    if (!current) throw new RefusedError(`there is no registration ${clientId}`, 404);
    const next: Registration = { ...current, ...patch, clientId };
    checkRegistration(next);
    this.#data().registrations.set(clientId, next);
    return { ...next };
  }

  archive(clientId: string): Registration {
    return this.update(clientId, { status: 'archived' });
  }

  /** The old secret stops working at once. */
  regenerateSecret(clientId: string): Registration {
    return this.update(clientId, { clientSecret: newSecret() });
  }

  #nextClientId(): string {
    let id = Number(DEFAULT_REGISTRATION.clientId);
    while (this.#data().registrations.has(String(id))) id += 1;
    return String(id);
  }
}

/** The people of the instance, by e-mail address. */
export class Users {
  readonly #data: () => EmulatorData;

  constructor(data: () => EmulatorData) {
    this.#data = data;
  }

  list(): User[] {
    return [...this.#data().users.values()].map((user) => ({ ...user }));
  }

  get(email: string): User | undefined {
    const found = this.#data().users.get(email.toLowerCase());
    return found && { ...found };
  }

  /** Adds a user, or changes the one with this address. Throws {@link RefusedError}. */
  put(input: Partial<User> & { email: string }): User {
    if (!isObject(input)) throw new RefusedError('user: an object is expected');
    refuseUnknownMembers(input, USER_MEMBERS, 'user');
    if (typeof input.email !== 'string' || !EMAIL.test(input.email)) {
      throw new RefusedError('email takes an e-mail address');
    }
    const data = this.#data();
    const email = input.email.toLowerCase();
    const current = data.users.get(email);
    const highest = Math.max(2000, ...[...data.users.values()].map((user) => user.id));
    const fresh: User = {
      id: highest + 1,
      email,
      password: 'password',
      firstName: 'New',
      lastName: 'User',
      restricted: false,
      disabled: false,
    };
    const user: User = { ...(current ?? fresh), ...input, email };
    if (!Number.isSafeInteger(user.id)) throw new RefusedError('id takes a whole number');
    for (const member of ['password', 'firstName', 'lastName'] as const) checkText(user[member], member);
    checkFlag(user.restricted, 'restricted');
    checkFlag(user.disabled, 'disabled');
    data.users.set(email, user);
    return { ...user };
  }
}
