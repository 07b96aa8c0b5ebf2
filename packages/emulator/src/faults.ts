import type { GrantType } from './ledger.ts';
import { isObject, RefusedError, refuseUnknownMembers } from './refusal.ts';

export const FAULT_KINDS = [
  /** Another status (default 503) with `headers`, `body` and `retryAfter`. */
  'status',
  /** The answer is held back for `delayMs` of the emulator's clock. */
  'delay',
  /** The connection is reset and nothing was done. */
  'reset-before',
  /** Done (a refresh has rotated), then the connection is reset. */
  'reset-after-commit',
  /** The answer lacks its last closing tag, or its last brace. */
  'malformed-xml',
  /** The answer is wrapped in another root, `root` (default `response`). */
  'wrap-root',
  /** A sign-in page instead of an answer, 200 unless `status` says otherwise. */
  'html',
  /** The answer under `contentType`; by default JSON is called XML and the reverse, '' leaves the header out. */
  'wrong-content-type',
  /** Half of the body, then the connection is reset. */
  'truncate',
  /** The answer without the member `field`. */
  'omit-field',
  /** 429 with `retryAfter` (default 1). */
  'rate-limit',
  /** 403 though the token is good: a permission that is missing. */
  'forbid',
  /** The browser is sent to the callback twice with the same code. */
  'duplicate-callback',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];
export type Endpoint = 'token' | 'authorize' | 'api' | 'other';

export interface FaultMatch {
  /** `token`, `authorize`, `api`, or a path prefix (`/acme/api/6/sites`, or `/api/6/sites` below the instance). */
  endpoint?: string;
  grantType?: GrantType;
  /** E-mail address of the user whose token it is. */
  connection?: string;
}

export interface FaultInput {
  match?: FaultMatch;
  kind: FaultKind;
  /** How often it strikes; left out: until it is removed. */
  times?: number;
  /** How many matching requests pass unharmed before. Default 0. */
  after?: number;
  /**
   * For `status`, `html` and `delay`: before or after the request is processed. Default `before`, for `delay` `after`:
   * processed at once, answered late.
   */
  when?: 'before' | 'after';
  status?: number;
  delayMs?: number;
  retryAfter?: number | string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  field?: string;
  root?: string;
  contentType?: string;
}

export interface Fault extends FaultInput {
  readonly id: string;
  readonly match: FaultMatch;
  /** Matching requests so far. */
  readonly seen: number;
  /** How often it struck. */
  readonly struck: number;
}

export interface FaultSubject {
  endpoint: Endpoint;
  path: string;
  instancePath: string;
  grantType: GrantType | null;
  connection: string | null;
}

const MEMBERS = [
  'match',
  'kind',
  'times',
  'after',
  'when',
  'status',
  'delayMs',
  'retryAfter',
  'headers',
  'body',
  'field',
  'root',
  'contentType',
];
/** After one of these no further fault can show. */
const ENDS_REQUEST: ReadonlySet<FaultKind> = new Set([
  'status',
  'reset-before',
  'reset-after-commit',
  'html',
  'truncate',
  'rate-limit',
  'forbid',
]);
const HEADER_TEXT = /^[\t\x20-\x7e]*$/;

function checkCount(value: unknown, name: string, least: number): void {
  if (value !== undefined && !(typeof value === 'number' && Number.isSafeInteger(value) && value >= least)) {
    throw new RefusedError(`fault: ${name} takes a whole number from ${least}`);
  }
}

function checkMatch(match: unknown): void {
  if (match === undefined) return;
  if (!isObject(match)) throw new RefusedError('fault: match takes an object');
  refuseUnknownMembers(match, ['endpoint', 'grantType', 'connection'], 'fault match');
  const { endpoint, grantType, connection } = match;
  const named = endpoint === 'token' || endpoint === 'authorize' || endpoint === 'api';
  if (endpoint !== undefined && !named && !(typeof endpoint === 'string' && endpoint.startsWith('/'))) {
    throw new RefusedError('fault match: endpoint takes token, authorize, api or a path prefix');
  }
  if (grantType !== undefined && grantType !== 'authorization_code' && grantType !== 'refresh_token') {
    throw new RefusedError('fault match: grantType takes authorization_code or refresh_token');
  }
  if (connection !== undefined && typeof connection !== 'string') {
    throw new RefusedError('fault match: connection takes an e-mail address');
  }
}

/** Throws {@link RefusedError} on anything that is not a fault. */
export function checkFault(input: unknown): asserts input is FaultInput {
  if (!isObject(input)) throw new RefusedError('fault: an object is expected');
  refuseUnknownMembers(input, MEMBERS, 'fault');
  checkMatch(input.match);
  const kinds: readonly unknown[] = FAULT_KINDS;
  if (!kinds.includes(input.kind)) throw new RefusedError(`fault: kind takes ${FAULT_KINDS.join(', ')}`);
  checkCount(input.times, 'times', 1);
  checkCount(input.after, 'after', 0);
  const { status, delayMs, retryAfter, headers, when } = input;
  if (
    status !== undefined &&
    !(typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599)
  ) {
    throw new RefusedError('fault: status takes a number from 200 to 599');
  }
  if (when !== undefined && when !== 'before' && when !== 'after')
    throw new RefusedError('fault: when takes before or after');
  const long = typeof delayMs === 'number' && Number.isFinite(delayMs) && delayMs >= 0;
  if ((input.kind === 'delay' || delayMs !== undefined) && !long)
    throw new RefusedError('fault: delayMs takes milliseconds from 0');
  if (
    retryAfter !== undefined &&
    typeof retryAfter !== 'number' &&
    !(typeof retryAfter === 'string' && HEADER_TEXT.test(retryAfter))
  ) {
    throw new RefusedError('fault: retryAfter takes a number of seconds or a text');
  }
  if (
    headers !== undefined &&
    !(
      isObject(headers) &&
      Object.values(headers).every((value) => typeof value === 'string' && HEADER_TEXT.test(value))
    )
  ) {
    throw new RefusedError('fault: headers takes an object of texts');
  }
  for (const member of ['body', 'field', 'root', 'contentType'] as const) {
    if (input[member] !== undefined && typeof input[member] !== 'string')
      throw new RefusedError(`fault: ${member} takes a text`);
  }
  if (input.kind === 'omit-field' && !input.field) throw new RefusedError('fault: omit-field needs field');
}

function matches(match: FaultMatch, subject: FaultSubject): boolean {
  const { endpoint, grantType, connection } = match;
  if (grantType !== undefined && grantType !== subject.grantType) return false;
  if (connection !== undefined && connection.toLowerCase() !== subject.connection) return false;
  if (endpoint === undefined || endpoint === subject.endpoint) return true;
  return (
    endpoint.startsWith('/') &&
    (subject.path.startsWith(endpoint) || subject.instancePath.startsWith(endpoint))
  );
}

/** What goes wrong, and for whom. */
export class Faults {
  #faults: (Fault & { seen: number; struck: number })[] = [];
  #nextId = 1;

  list(): Fault[] {
    return this.#faults.map((fault) => ({ ...fault }));
  }

  /** Throws {@link RefusedError} on anything it does not know. */
  add(input: FaultInput): Fault {
    checkFault(input);
    const fault = { ...input, match: { ...input.match }, id: `fault-${this.#nextId}`, seen: 0, struck: 0 };
    this.#nextId += 1;
    this.#faults.push(fault);
    return { ...fault };
  }

  /** Returns whether there was one with this id. */
  remove(id: string): boolean {
    const before = this.#faults.length;
    this.#faults = this.#faults.filter((fault) => fault.id !== id);
    return this.#faults.length < before;
  }

  clear(): void {
    this.#faults = [];
  }

  replace(faults: readonly Fault[]): void {
    this.#faults = faults.map((fault) => ({ ...fault }));
  }

  /** The faults that strike this request, in the order they were added; each of them counts it. */
  strike(subject: FaultSubject): Fault[] {
    const struck: Fault[] = [];
    for (const fault of this.#faults) {
      if (!matches(fault.match, subject)) continue;
      fault.seen += 1;
      const due = fault.seen > (fault.after ?? 0) && fault.struck < (fault.times ?? Number.POSITIVE_INFINITY);
      if (!due) continue;
      fault.struck += 1;
      struck.push({ ...fault });
      if (ENDS_REQUEST.has(fault.kind)) break;
    }
    return struck;
  }
}
