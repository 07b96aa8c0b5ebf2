import { createHash } from 'node:crypto';

/** First 12 hexadecimal digits of SHA-256: enough to tell two tokens apart, worthless to a thief. */
export function fingerprint(token: string): string {
  return createHash('sha256').update(token).digest('hex').slice(0, 12);
}

const LONGEST_INPUT = 2000;
const LONGEST_MESSAGE = 300;
const DEEPEST_CAUSE = 3;
const REDACTED = '[redacted]';

const URL_LIKE = /([a-z][a-z0-9+.-]{0,15}:\/\/)([^\s"'<>]+)/gi;
const CREDENTIALS = /\b(bearer|basic|digest)\s+[^\s"',;]+/gi;
const NAMED =
  /\b(access_?token|refresh_?token|client_?secret|code_?verifier|code|token|secret|password|authorization|cookie|set-cookie|api_?key)\b(["']?\s*[=:]\s*["']?|>)[^\s"'&,;<]+/gi;
/** A run that could be an opaque secret. No dot and no slash, so that hosts and paths survive. */
const OPAQUE = /[A-Za-z0-9_+=~%-]{16,}/g;
/** `UND_ERR_CONNECT_TIMEOUT` and `self-signed-certificate` are no secrets. */
const PLAIN_WORDS = /^(?:[A-Z]+(?:_[A-Z0-9]+)+|[A-Z]?[a-z]+(?:[-_][a-z]+)*)$/;

/**
 * A small copy of a foreign error, fit to be a `cause`: its name, its code and a message without credentials, query
 * strings and anything that looks like a token. Nothing else of it is kept, its own properties and stack included,
 * since drivers and HTTP clients hang requests on them. `secrets` that the caller knows are taken out wherever they
 * stand, in the encodings in which they travel.
 */
export function safeError(error: unknown, secrets: readonly string[] = []): Error & { code?: string } {
  const chain = causes(error);
  const messages = new Set(chain.map((link) => redactText(text(link, 'message'), secrets)).filter(Boolean));
  const code = chain.map((link) => text(link, 'code')).find((value) => isCode(value, secrets));
  const name = text(chain[0], 'name');
  const safe: Error & { code?: string } = new Error([...messages].join(': ') || code || 'no message');
  const value = /^[A-Z][A-Za-z]{1,40}$/.test(name) && !mentions(name, secrets) ? name : 'Error';
  Object.defineProperty(safe, 'name', { value, configurable: true, writable: true });
  if (code !== undefined) safe.code = code;
  return safe;
}

/** The rules of {@link safeError} for a text. */
export function redactText(message: string, secrets: readonly string[] = []): string {
  let safe = message.slice(0, LONGEST_INPUT);
  // Of a token that the cut went through, the first half would be too short to be recognized.
  if (message.length > LONGEST_INPUT) safe = safe.replace(/\S*$/, '');
  for (const secret of secrets) {
    for (const form of encodings(secret)) safe = safe.replaceAll(form, REDACTED);
  }
  safe = safe
    .replace(URL_LIKE, (_, scheme: string, rest: string) => scheme + withoutSecrets(rest))
    .replace(CREDENTIALS, `$1 ${REDACTED}`)
    .replace(NAMED, `$1$2${REDACTED}`)
    .replace(OPAQUE, (run) => (PLAIN_WORDS.test(run) ? run : REDACTED));
  return safe.length > LONGEST_MESSAGE ? `${safe.slice(0, LONGEST_MESSAGE)}…` : safe;
}

/** Authority and path of a URL's rest after `://`. */
function withoutSecrets(rest: string): string {
  const [address = ''] = rest.split(/[?#]/, 1);
  const slash = address.indexOf('/');
  const authority = slash < 0 ? address : address.slice(0, slash);
  return authority.slice(authority.lastIndexOf('@') + 1) + (slash < 0 ? '' : address.slice(slash));
}

function causes(error: unknown): unknown[] {
  const chain: unknown[] = [];
  let link = error;
  while (chain.length < DEEPEST_CAUSE && link !== undefined && link !== null && !chain.includes(link)) {
    chain.push(link);
    link = member(link, 'cause') ?? member(member(link, 'errors'), '0');
  }
  return chain;
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  try {
    return (value as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

function text(value: unknown, name: string): string {
  const found = typeof value === 'string' && name === 'message' ? value : member(value, name);
  return typeof found === 'string' ? found : '';
}

/** `ECONNRESET`, `UND_ERR_SOCKET`, an SQLSTATE. */
function isCode(value: string, secrets: readonly string[]): boolean {
  return /^(?:[A-Z][A-Z_]{1,23}[A-Z0-9_]{0,24}|[0-9A-Z]{5})$/.test(value) && !mentions(value, secrets);
}

function mentions(value: string, secrets: readonly string[]): boolean {
  return secrets.some((secret) => secret !== '' && value.includes(secret));
}

function encodings(secret: string): Set<string> {
  const bytes = Buffer.from(secret);
  const forms = [secret, encodeURIComponent(secret), bytes.toString('base64'), bytes.toString('base64url')];
  forms.push(bytes.toString('hex'), new URLSearchParams({ s: secret }).toString().slice(2));
  return new Set(forms.filter((form) => form !== ''));
}
