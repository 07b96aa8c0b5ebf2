import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { internals } from '../contracts.ts';
import { boundDigest, pkceOf, sameDigest, transactionsOf } from './login-transaction.ts';
import { paperManager } from './web.fixture.ts';

const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
const MINUTE = 60_000;
const details = {
  purpose: 'sign-in',
  connectionId: 'ann',
  instanceUrl: 'https://acme.highq.com/acme',
  redirectUri: 'https://app.example/highq/callback',
  returnTo: '/',
  pkce: true,
} as const;

describe('sameDigest', () => {
  it('F102 compares digests of one length, and refuses everything else instead of throwing', () => {
    expect(sameDigest(digest('a'), digest('a'))).toBe(true);
    expect(sameDigest(digest('a'), digest('b'))).toBe(false);
    expect(sameDigest(digest('a'), digest('a').slice(0, -2))).toBe(false);
    expect(sameDigest('', '')).toBe(false);
    expect(sameDigest('not hexadecimal', 'not hexadecimal')).toBe(false);
  });
});

describe('a transaction', () => {
  it('F90 has a fresh secret of 256 bits each time', async () => {
    const transactions = transactionsOf(paperManager()[internals], MINUTE);
    const secrets = await Promise.all(Array.from({ length: 100 }, () => transactions.begin(details)));
    expect(new Set(secrets).size).toBe(100);
    for (const secret of secrets) {
      expect(Buffer.from(secret.slice(0, 22), 'base64url')).toHaveLength(16);
      expect(Buffer.from(secret.slice(22), 'base64url')).toHaveLength(16);
    }
  });

  it('is of one purpose: a sign-in confirms nothing', async () => {
    const transactions = transactionsOf(paperManager()[internals], MINUTE);
    const secret = await transactions.begin(details);
    expect((await transactions.consume('confirm', secret)).kind).toBe('unknown');
    expect((await transactions.consume('sign-in', secret)).kind).toBe('open');
  });

  it('F84 is told apart from an unknown one for an hour after its time, and then is gone', async () => {
    const manager = paperManager();
    const transactions = transactionsOf(manager[internals], MINUTE);
    const secret = await transactions.begin(details);
    await manager.clock.advance(61 * MINUTE - 1);
    expect((await transactions.peek('sign-in', secret)).kind).toBe('expired');
    await manager.clock.advance(1);
    expect((await transactions.peek('sign-in', secret)).kind).toBe('unknown');
  });

  it('F76 is unknown when its row is damaged', async () => {
    const { store, registration, ...inside } = paperManager()[internals];
    const transactions = transactionsOf({ store, registration, ...inside }, MINUTE);
    for (const body of ['', '{', 'null', '[]', '{"v":2}', '{"v":1,"purpose":"sign-in","state":"open"}']) {
      const secret = inside.random.id() + inside.random.id();
      const key = { registration, kind: 'login', id: digest(secret) } as const;
      await store.cas(key, null, { body, state: 'other', dueAt: null, expiresAt: null });
      expect((await transactions.consume('sign-in', secret)).kind).toBe('unknown');
    }
  });

  it('gives each secret digests and a PKCE verifier of its own', () => {
    expect(boundDigest('one', 'visitor', 'ann')).not.toBe(boundDigest('two', 'visitor', 'ann'));
    expect(boundDigest('one', 'visitor', 'ann')).not.toBe(boundDigest('one', 'account', 'ann'));
    expect(pkceOf('one').verifier).not.toBe(pkceOf('two').verifier);
    expect(pkceOf('one').verifier).toMatch(/^[\w-]{43}$/);
  });
});
