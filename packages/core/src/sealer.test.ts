import { describe, expect, it } from 'vitest';
import { RecordUnreadableError } from './errors.ts';
import { createSealer, type SealBinding, type Sealer } from './sealer.ts';

const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const binding: SealBinding = {
  registration: 'ab'.repeat(32),
  connectionId: 'jane.doe@clientname.com',
  epoch: Date.UTC(2026, 0, 1),
  generation: 7,
  field: 'tokens',
};
const secret = '{"access":"canary-access-0012e3","refresh":"canary-refresh-77"}';
const sealer = createSealer({ keys: [{ id: 'k1', key: key(1) }] });
const plain = createSealer(false);

async function failure(opening: Promise<string>): Promise<RecordUnreadableError> {
  const error: unknown = await opening.then(
    () => 'opened',
    (reason: unknown) => reason,
  );
  if (!(error instanceof RecordUnreadableError)) throw new Error(`not a RecordUnreadableError: ${error}`);
  expect(`${error.message}${error.stack}${JSON.stringify(error)}${error.cause}`).not.toContain('canary');
  return error;
}

/** Every other character of base64url, in turn, for the character at `at`. */
function* changedAt(text: string, at: number, characters: string): Generator<string> {
  for (const other of characters)
    if (other !== text[at]) yield text.slice(0, at) + other + text.slice(at + 1);
}

describe.each([
  ['with a key', sealer],
  ['without encryption', plain],
])('a sealer %s', (_, one: Sealer) => {
  it('gives back what it sealed, empty and large and beyond ASCII too', async () => {
    for (const text of [secret, '', 'x'.repeat(65_536), 'Müller 😀 \u0000']) {
      expect(await one.open(await one.seal(text, binding), binding)).toBe(text);
    }
  });

  it('F71 refuses a value that was copied to another registration, connection, generation or field', async () => {
    const sealed = await one.seal(secret, binding);
    const others: SealBinding[] = [
      { ...binding, registration: 'ac'.repeat(32) },
      { ...binding, connectionId: 'jane.doe@clientname.co' },
      { ...binding, epoch: binding.epoch + 1 },
      { ...binding, generation: binding.generation - 1 },
      { ...binding, generation: binding.generation + 1 },
      { ...binding, field: 'sibling' },
    ];
    for (const other of others) {
      expect(await failure(one.open(sealed, other))).toMatchObject({
        reason: 'tampered',
        connectionId: other.connectionId,
      });
    }
  });

  it('F70 refuses a value with any one character changed, and opens the unchanged one after it', async () => {
    const sealed = await one.seal(secret, binding);
    for (let at = 0; at < sealed.length; at += 1) {
      const characters = at % 20 === 0 || at > sealed.length - 3 ? 'ABQgwxyz019-_.' : 'A_';
      for (const changed of changedAt(sealed, at, characters)) {
        const { reason } = await failure(one.open(changed, binding));
        expect(['tampered', 'malformed', 'unknown_key', 'later_schema']).toContain(reason);
      }
    }
    expect(await one.open(sealed, binding)).toBe(secret);
  });

  it('F70 refuses a value that was cut or lengthened', async () => {
    const sealed = await one.seal(secret, binding);
    for (let length = 0; length < sealed.length; length += 7) {
      await failure(one.open(sealed.slice(0, length), binding));
    }
    for (const tail of ['A', 'AA', '=', '.', '\n', ' ']) await failure(one.open(sealed + tail, binding));
  });

  it('F76 calls text that was never sealed malformed, and leaves prototypes alone', async () => {
    const header = (json: string): string => `${Buffer.from(json).toString('base64url')}..AAAA.AAAA.AAAA`;
    const texts = ['', 'x', '{}', 'a.b.c', '....', 'plain.', 'plain.e30', header('null'), header('[]')];
    texts.push(header('{"__proto__":{"polluted":1}}'), header('{"alg":"none","kid":"k1"}'), header('{'));
    texts.push(`plain.${Buffer.from('{"__proto__":{"p":"x"},"b":1}').toString('base64url')}`);
    for (const text of texts) {
      expect((await failure(one.open(text, binding))).reason).toBe('malformed');
      expect(one.keyIdOf(text)).toBeNull();
    }
    for (const value of [null, undefined, 7, {}] as never[]) {
      expect((await failure(one.open(value, binding))).reason).toBe('malformed');
    }
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('a sealer with keys', () => {
  it('F70 calls a change of nonce, ciphertext or tag tampering, unused bits of the last character included', async () => {
    const sealed = await sealer.seal(secret, binding);
    const from = sealed.indexOf('..') + 2;
    for (let at = from; at < sealed.length; at += 1) {
      if (sealed[at] === '.') continue;
      const last = sealed[at + 1] === '.' || at === sealed.length - 1;
      const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      for (const changed of changedAt(sealed, at, last ? letters : 'Aw')) {
        expect((await failure(sealer.open(changed, binding))).reason).toBe('tampered');
      }
    }
  });

  it('shows nothing of text and connection in what is stored', async () => {
    const sealed = await sealer.seal(secret, binding);
    const decoded = sealed.split('.').map((part) => Buffer.from(part, 'base64url').toString('latin1'));
    expect(sealed + decoded.join()).not.toMatch(/canary|jane/);
    expect(JSON.parse(decoded[0] ?? '')).toMatchObject({
      alg: 'dir',
      enc: 'A256GCM',
      kid: 'k1',
      v: 1,
      reg: binding.registration,
      ep: binding.epoch,
      gen: 7,
      fld: 'tokens',
    });
  });

  it('F77 takes a fresh nonce for each of 10,000 seals of one text', async () => {
    const nonces = new Set<string>();
    for (let round = 0; round < 10_000; round += 1) {
      nonces.add((await sealer.seal('x', binding)).split('.')[2] ?? '');
    }
    expect(nonces.size).toBe(10_000);
    expect([...nonces].every((nonce) => Buffer.from(nonce, 'base64url').length === 12)).toBe(true);
  });

  it('F74 seals with the first key and opens with all', async () => {
    const [a, b] = [
      { id: 'a', key: key(1) },
      { id: 'b', key: key(2) },
    ];
    const before = createSealer({ keys: [a] });
    const added = createSealer({ keys: [a, b] });
    const promoted = createSealer({ keys: [b, a] });
    expect([before, added, promoted].map((one) => one.sealingKeyId)).toEqual(['a', 'a', 'b']);
    const [old, fresh] = [await before.seal('old', binding), await promoted.seal('new', binding)];
    expect([old, fresh].map(added.keyIdOf)).toEqual(['a', 'b']);
    for (const one of [added, promoted]) {
      expect([await one.open(old, binding), await one.open(fresh, binding)]).toEqual(['old', 'new']);
    }
  });

  it('F73 tells a key that is not configured from tampering', async () => {
    const sealed = await createSealer({ keys: [{ id: 'k2', key: key(2) }] }).seal(secret, binding);
    const error = await failure(sealer.open(sealed, binding));
    expect(error).toMatchObject({ reason: 'unknown_key', retryable: false, status: 500 });
    expect(error.message).toContain('encryption.keys');
    const sameId = await createSealer({ keys: [{ id: 'k1', key: key(2) }] }).seal(secret, binding);
    expect(await failure(sealer.open(sameId, binding))).toMatchObject({ reason: 'tampered' });
  });

  it('F75 refuses a value of a later schema as such', async () => {
    const sealed = await sealer.seal(secret, binding);
    const [head = '', ...rest] = sealed.split('.');
    const header = { ...JSON.parse(Buffer.from(head, 'base64url').toString()), v: 2 };
    const later = [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');
    expect((await failure(sealer.open(later, binding))).reason).toBe('later_schema');
  });

  it('does not open what was stored without encryption, and names the setting', async () => {
    const error = await failure(sealer.open(await plain.seal(secret, binding), binding));
    expect(error.reason).toBe('malformed');
    expect(error.message).toContain('`encryption: false`');
  });

  it('is not changed by a later change of the bytes it was given', async () => {
    const bytes = key(9);
    const one = createSealer({ keys: [{ id: 'k', key: bytes }] });
    bytes.fill(0);
    const same = createSealer({ keys: [{ id: 'k', key: key(9) }] });
    expect(await same.open(await one.seal('x', binding), binding)).toBe('x');
    expect(() => createSealer({ keys: [] })).toThrow(RangeError);
  });
});

describe('a sealer without encryption', () => {
  it('has no key, and calls an encrypted value one of an unknown key', async () => {
    expect(plain.sealingKeyId).toBeNull();
    expect(plain.keyIdOf(await plain.seal('x', binding))).toBeNull();
    const error = await failure(plain.open(await sealer.seal(secret, binding), binding));
    expect(error.reason).toBe('unknown_key');
  });
});
