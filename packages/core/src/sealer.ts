import { createHash } from 'node:crypto';
import { CompactEncrypt, type CryptoKey, compactDecrypt } from 'jose';
import { RecordUnreadableError } from './errors.ts';

/** What a sealed value belongs to. A value that was copied to any other place does not open there. */
export interface SealBinding {
  /** Hash of instance URL and client id. */
  readonly registration: string;
  readonly connectionId: string;
  readonly epoch: number;
  readonly generation: number;
  readonly field: 'tokens' | 'pending' | 'quarantine' | 'sibling' | 'login';
}

/** Seals secrets for the store. Neither direction changes anything stored (I12). */
export interface Sealer {
  seal(plaintext: string, binding: SealBinding): Promise<string>;
  /**
   * @throws RecordUnreadableError `tampered`: changed, or sealed for another place; `unknown_key`: sealed with a key
   * that is not configured here; `later_schema`: by a newer version; `malformed`: no sealed value at all.
   */
  open(sealed: string, binding: SealBinding): Promise<string>;
  /** The id of the key that seals; `null` without encryption. */
  readonly sealingKeyId: string | null;
  /** The id of the key that a value was sealed with; `null` for one that was not sealed with a key. */
  keyIdOf(sealed: string): string | null;
}

/** The first key seals, all of them open. A key is 32 bytes. `false`: no encryption, only the binding is checked. */
export type SealerKeys =
  | { readonly keys: readonly { readonly id: string; readonly key: Uint8Array }[] }
  | false;

type Reason = RecordUnreadableError['reason'];

const SCHEMA = 1;
const PLAIN = 'plain.';
/** Compact JWE with `dir`: the second part, an encrypted key, is empty. */
const COMPACT = /^([\w-]+)\.\.([\w-]+)\.([\w-]*)\.([\w-]+)$/;

export function createSealer(encryption: SealerKeys): Sealer {
  return encryption === false ? plainSealer() : keyedSealer(encryption.keys);
}

function keyedSealer(keys: readonly { readonly id: string; readonly key: Uint8Array }[]): Sealer {
  const [sealing] = keys;
  if (!sealing) throw new RangeError('a sealer needs a key');
  // Copies: keys are imported when first used, and WebCrypto takes no view of a buffer that may be shared.
  const material = new Map(keys.map(({ id, key }) => [id, new Uint8Array(key)]));
  const imported = new Map<string, Promise<CryptoKey>>();
  const keyFor = (id: string): Promise<CryptoKey> | null => {
    const known = imported.get(id);
    if (known) return known;
    const bytes = material.get(id);
    if (!bytes) return null;
    const key = crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
    imported.set(id, key);
    return key;
  };

  return {
    sealingKeyId: sealing.id,
    keyIdOf,
    async seal(plaintext, binding) {
      const key = await keyFor(sealing.id);
      if (!key) throw new RangeError('a sealer needs a key');
      return new CompactEncrypt(new TextEncoder().encode(plaintext))
        .setProtectedHeader(headerFor(binding, sealing.id))
        .encrypt(key);
    },
    async open(sealed, binding) {
      if (isPlain(sealed)) {
        throw unreadable(
          binding,
          'malformed',
          'it was stored without encryption, and `encryption` names keys. Values are not taken over from a store that ' +
            'was used with `encryption: false`: sign in again on a new store, or set `encryption: false` once more',
        );
      }
      const header = readHeader(sealed);
      if (!header) throw unreadable(binding, 'malformed', 'it is not a sealed value');
      if (typeof header.v === 'number' && header.v > SCHEMA) {
        throw unreadable(
          binding,
          'later_schema',
          'a later version of hq-oauth sealed it: upgrade this process',
        );
      }
      const id = typeof header.kid === 'string' ? header.kid : '';
      const key = keyFor(id);
      if (!key) {
        throw unreadable(
          binding,
          'unknown_key',
          'no key of `encryption.keys` has the id that it was sealed with: give this process all keys in use',
        );
      }
      if (!isCanonical(sealed) || protectedPart(sealed) !== encode(headerFor(binding, id))) {
        throw unreadable(
          binding,
          'tampered',
          'it was changed, or sealed for another row, generation or field',
        );
      }
      try {
        const { plaintext } = await compactDecrypt(sealed, await key, {
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: ['A256GCM'],
        });
        return new TextDecoder().decode(plaintext);
      } catch {
        throw unreadable(
          binding,
          'tampered',
          'it does not open: it was changed, or the key of this id is not the one it was sealed with',
        );
      }
    },
  };
}

/** Keeps text readable, but still in its place: `b` ties it to its binding and shows damage. It proves no origin. */
function plainSealer(): Sealer {
  const digest = (binding: SealBinding, plaintext: string): string =>
    hash(`${JSON.stringify(headerFor(binding, ''))}\n${plaintext}`);
  return {
    sealingKeyId: null,
    keyIdOf,
    async seal(plaintext, binding) {
      return PLAIN + encode({ b: digest(binding, plaintext), p: plaintext });
    },
    async open(sealed, binding) {
      if (!isPlain(sealed)) {
        if (!readHeader(sealed)) throw unreadable(binding, 'malformed', 'it is not a sealed value');
        throw unreadable(
          binding,
          'unknown_key',
          'it is encrypted, and this process has `encryption: false`: configure its key',
        );
      }
      const body = decode(sealed.slice(PLAIN.length));
      const plaintext = body?.p;
      if (typeof plaintext !== 'string') throw unreadable(binding, 'malformed', 'it is not a sealed value');
      if (body?.b !== digest(binding, plaintext) || sealed !== PLAIN + encode(body)) {
        throw unreadable(
          binding,
          'tampered',
          'it was changed, or stored for another row, generation or field',
        );
      }
      return plaintext;
    },
  };
}

/** All of the binding; the connection as a digest, since an id is often an e-mail address. */
function headerFor(binding: SealBinding, kid: string) {
  return {
    alg: 'dir',
    enc: 'A256GCM',
    kid,
    v: SCHEMA,
    reg: binding.registration,
    // As JSON, in which lone surrogates stay apart.
    con: hash(JSON.stringify([binding.registration, binding.connectionId])),
    ep: binding.epoch,
    gen: binding.generation,
    fld: binding.field,
  };
}

function keyIdOf(sealed: string): string | null {
  const kid = readHeader(sealed)?.kid;
  return typeof kid === 'string' ? kid : null;
}

function isPlain(sealed: string): boolean {
  return typeof sealed === 'string' && sealed.startsWith(PLAIN);
}

function protectedPart(sealed: string): string {
  return sealed.slice(0, sealed.indexOf('.'));
}

function readHeader(sealed: string): Record<string, unknown> | null {
  if (typeof sealed !== 'string' || !COMPACT.test(sealed)) return null;
  const header = decode(protectedPart(sealed));
  return header && header.alg === 'dir' ? header : null;
}

/** Base64url has unused bits at its end, which no authentication covers: one value must have one spelling. */
function isCanonical(sealed: string): boolean {
  return sealed.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

function unreadable(binding: SealBinding, reason: Reason, why: string): RecordUnreadableError {
  return new RecordUnreadableError(
    `The stored ${binding.field} cannot be read: ${why}. Nothing was changed.`,
    {
      connectionId: binding.connectionId,
      reason,
    },
  );
}
