/** A key as the user may write it. */
export interface EncryptionKeyInput {
  readonly id: string;
  readonly key: string | Uint8Array;
}

const KEY_BYTES = 32;

/** Prints one new key in base64. */
export const KEY_COMMAND = `node -p "crypto.generateKeySync('aes',{length:256}).export().toString('base64')"`;

/** `id:key,id2:key2`, as HIGHQ_ENCRYPTION_KEYS holds it; `null` for an entry of another form. */
export function splitKeyList(text: string): (EncryptionKeyInput | null)[] {
  return text.split(',').map((entry) => {
    const colon = entry.indexOf(':');
    return colon < 0 ? null : { id: entry.slice(0, colon).trim(), key: entry.slice(colon + 1).trim() };
  });
}

/** The 32 bytes of a key, or what is wrong with it. A problem tells lengths, never content (F78). */
export function parseKey(input: unknown): { readonly key: Uint8Array } | { readonly problem: string } {
  if (input instanceof Uint8Array) return checkBytes(new Uint8Array(input));
  if (typeof input !== 'string') return { problem: 'must be a string or a Uint8Array' };
  if (input === '') return { problem: 'is empty' };
  if (/^(?:[0-9a-f]{2})+$/i.test(input) && (input.length === 64 || input.length === 32)) {
    return checkBytes(new Uint8Array(Buffer.from(input, 'hex')));
  }
  const bytes = fromBase64(input);
  if (!bytes || isWords(input)) {
    return { problem: 'is neither base64 nor 64 hexadecimal digits: a passphrase is not a key' };
  }
  return checkBytes(bytes);
}

function checkBytes(key: Uint8Array): { readonly key: Uint8Array } | { readonly problem: string } {
  if (key.length !== KEY_BYTES) return { problem: `has ${key.length} bytes and must have ${KEY_BYTES}` };
  if (key.every((byte) => byte === 0)) return { problem: 'is all zero' };
  // Of random keys, one in 10^13 is text.
  if (key.every((byte) => byte >= 0x20 && byte < 0x7f)) {
    return { problem: 'is text: a passphrase is not a key' };
  }
  return { key };
}

/** Either alphabet, with or without padding, but one spelling per value. */
function fromBase64(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64');
  const bare = text.replace(/={1,2}$/, '');
  const same = bare === bytes.toString('base64url') || bare === bytes.toString('base64').replace(/=+$/, '');
  return same ? new Uint8Array(bytes) : null;
}

/** Letters of one case and dashes only: of random keys in base64, one in 10^13 looks so. */
function isWords(text: string): boolean {
  return /^(?:[a-z_-]+|[A-Z_-]+)$/.test(text);
}
