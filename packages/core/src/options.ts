import type { CanaryOption } from './canary.ts';
import type { Clock, Random } from './clock.ts';
import type { EncryptionKeyInput } from './encryption-keys.ts';
import type { Journal } from './journal.ts';
import type { Timings } from './timings.ts';
import type { TokenStore } from './token-store.ts';

export { resolveOptions } from './resolve-options.ts';

/** Where hq-oauth tells what it does. Any part may be missing. Neither message nor fields ever hold a token or secret. */
export interface Logger {
  readonly debug?: LogMethod | undefined;
  readonly info?: LogMethod | undefined;
  readonly warn?: LogMethod | undefined;
  readonly error?: LogMethod | undefined;
}

export type LogMethod = (message: string, fields?: Record<string, unknown>) => void;

/**
 * What a token manager is made from. Where an environment variable is named, it is read when the option is left out.
 * Every problem is found at start and told in one `ConfigurationError`.
 */
export interface TokenManagerOptions {
  /**
   * The Collaborate instance, `https://<host>/<instance>`. Or HIGHQ_INSTANCE_URL.
   * @example 'https://acme.highq.com/acme'
   */
  readonly instanceUrl?: string | undefined;
  /**
   * The registration's client id. It works on this one instance only. Or HIGHQ_CLIENT_ID.
   * @example '1012'
   */
  readonly clientId?: string | undefined;
  /**
   * The registration's secret key, or a function that fetches it each time a token is requested, so that a key that
   * was generated again is picked up without a restart. Or HIGHQ_CLIENT_SECRET.
   * @example () => vault.read('highq/client-secret')
   */
  readonly clientSecret?: string | (() => string | Promise<string>) | undefined;
  /**
   * Where the provider sends a person's browser after the sign-in. Only needed to sign people in. Or HIGHQ_REDIRECT_URI.
   * @example 'https://matters.example.com/highq/callback'
   * @see https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2
   */
  readonly redirectUri?: string | undefined;
  /**
   * The token expiration time as registered, in milliseconds: 30 minutes to 31 days. Used where a token response does
   * not tell, and to notice that the registration was changed. Or HIGHQ_ACCESS_TOKEN_LIFETIME_MS.
   * @default none: a response that does not tell is taken for 30 minutes, the shortest there is
   * @example 5 * 60 * 60 * 1000
   */
  readonly accessTokenLifetimeMs?: number | undefined;
  /** Where grants live: `sqliteStore(…)`, `redisStore(…)`, `postgresStore(…)`, or `memoryStore()` for tests. */
  readonly store: TokenStore;
  /**
   * Keys that tokens are sealed with before they reach the store. The first seals, all of them open: to change keys,
   * add the new one at the end everywhere, then move it to the front. A key is 32 bytes: a `Uint8Array`, base64,
   * base64url or 64 hexadecimal digits. `false` goes without, and has to be written out. Or HIGHQ_ENCRYPTION_KEYS,
   * `id:key,id2:key2`.
   * @example { keys: [{ id: '2026-01', key: process.env.HIGHQ_KEY }] }
   */
  readonly encryption?: { readonly keys: readonly EncryptionKeyInput[] } | false | undefined;
  /**
   * A second place for new token pairs, written before the store has them: `fileJournal({ dir })`, or
   * `storeJournal(secondStore)` for one that every process can read. Several may be given, and one
   * to several managers: it stays open when they are closed.
   * @default none
   */
  readonly journal?: Journal | readonly Journal[] | undefined;
  /**
   * A cheap API call that whoever signed in may always make. After a 403 it tells a dead token from a missing right: its
   * path below `{instanceUrl}/api/`, a function that gives it (`null`: none for this user), or `false` for none at all,
   * which leaves one guess an hour. It is believed on a grant once it was answered 2xx there.
   * @default the user's own record, `{version}/users/{userEmail}?type=email`
   * @example '6/sites?limit=1'
   */
  readonly canary?: CanaryOption | undefined;
  readonly refresh?: RefreshOptions | undefined;
  readonly http?: HttpOptions | undefined;
  /** The clock to live by. @default the system's */
  readonly clock?: Clock | undefined;
  /** Randomness for jitter and ids; keys and nonces never come from it. @default the system's */
  readonly random?: Random | undefined;
  /** @default silent */
  readonly logger?: Logger | undefined;
  readonly provider?: ProviderOptions | undefined;
}

export interface RefreshOptions {
  /** How long a caller waits for a refresh that it cannot do without, milliseconds. @default 15_000 */
  readonly waitMs?: number | undefined;
  /**
   * How often a connection in use is read from the store again, milliseconds: a disconnect reaches every process
   * within this time. @default 30_000
   */
  readonly revalidateMs?: number | undefined;
  /** After this much idleness a connection is read again before it is used, milliseconds. @default 300_000 */
  readonly idleRereadMs?: number | undefined;
  /**
   * What becomes of work that outlives the call that began it. `'detached'`: it runs on. `'await'`: the caller waits
   * for it, whatever its `waitMs` and signal say, from the moment its refresh is about to be sent: at most some 110
   * seconds, and with a new pair in hand for as long as the store does not take it (after 10 seconds it is written
   * to the rescue folder or the journals as well). Only a `timeout` that you give `client` yourself ends sooner. A function is handed the promise, for platforms that freeze a process after its response.
   * @default 'detached'
   * @example waitUntil
   */
  readonly background?: 'detached' | 'await' | ((work: Promise<unknown>) => void) | undefined;
  /** Scales the protocol's timings, lease and deadlines included. For tests on loopback only. @default 1 */
  readonly timeScale?: number | undefined;
}

export interface HttpOptions {
  /**
   * An outbound proxy. May hold credentials; they are never shown.
   * @default none
   * @example 'http://proxy.firm.example:8080'
   */
  readonly proxy?: string | undefined;
  /**
   * Certificates to trust, as PEM text, for a proxy that inspects TLS or an instance with a CA of its own.
   * @default Node's own list
   * @example readFileSync('/etc/ssl/firm-ca.pem')
   */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[] | undefined;
  /** For TCP and TLS to the token endpoint, milliseconds. @default 5_000 */
  readonly connectTimeoutMs?: number | undefined;
}

/** What is not known of every HighQ instance, and therefore a setting. */
export interface ProviderOptions {
  /**
   * Accepts an instance on this machine, http included, for tests and demos. Never with NODE_ENV=production. Or
   * HIGHQ_ALLOW_LOOPBACK=1.
   * @default false
   */
  readonly allowLoopback?: boolean | undefined;
  /** What to ask the token endpoint for. Both forms are always read. @default 'any' */
  readonly tokenFormat?: 'xml' | 'json' | 'any' | undefined;
  /**
   * Answers, beside an OAuth error, that mean that a refresh token is refused: 403 with XML "Access denied", a 401, a
   * 200 with an error document. Name one only when you know that your instance answers so: it ends a connection.
   * @default []
   */
  readonly refusals?: readonly ('xml-403' | '401' | 'error-200')[] | undefined;
  /**
   * Whether each refresh starts the refresh token's year anew (`'sliding'`) or it runs from the sign-in (`'absolute'`).
   * With `'unknown'`, warnings count from the earlier.
   * @default 'unknown'
   */
  readonly refreshYear?: 'unknown' | 'sliding' | 'absolute' | undefined;
}

/** Options after all checks, with every default filled in. Holds secrets: never to be printed. */
export interface ResolvedOptions {
  /** Without a trailing slash. */
  readonly instanceUrl: string;
  readonly origin: string;
  readonly clientId: string;
  /** @throws TokenEndpointError when the user's function fails or gives nothing usable */
  readonly clientSecret: () => Promise<string>;
  readonly redirectUri: string | undefined;
  readonly accessTokenLifetimeMs: number | undefined;
  /** SHA-256, hexadecimal, of instance URL and client id. */
  readonly registration: string;
  readonly store: TokenStore;
  readonly encryption:
    | { readonly keys: readonly { readonly id: string; readonly key: Uint8Array }[] }
    | false;
  readonly journals: readonly Journal[];
  readonly canary: CanaryOption | undefined;
  /** Where pairs go that a store does not take before a shutdown ends; read at start. HIGHQ_RESCUE_DIR. */
  readonly rescueDir: string | undefined;
  readonly waitMs: number;
  readonly revalidateMs: number;
  readonly idleRereadMs: number;
  readonly background: 'detached' | 'await' | ((work: Promise<unknown>) => void);
  readonly timings: Timings;
  readonly http: {
    readonly proxy: string | undefined;
    /** PEM texts. */
    readonly ca: readonly string[] | undefined;
  };
  /** As given; `undefined`: the caller decides, after a look at `testClockUrl`. */
  readonly clock: Clock | undefined;
  readonly random: Random;
  readonly logger: { readonly [Level in keyof Logger]-?: LogMethod };
  /** Asked for, and not in production. */
  readonly allowLoopback: boolean;
  /** An emulator's clock to follow. Only with an instance on loopback and without `clock`. */
  readonly testClockUrl: string | undefined;
  readonly tokenFormat: 'xml' | 'json' | 'any';
  readonly refusals: readonly ('xml-403' | '401' | 'error-200')[];
  readonly refreshYear: 'unknown' | 'sliding' | 'absolute';
}
