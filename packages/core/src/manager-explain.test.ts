import { afterEach, describe, expect, it } from 'vitest';
import { Bench, MINUTE } from './manager.fixture.ts';
import { memoryStore } from './memory-store.ts';

const LIFE = 30 * MINUTE;
const REFRESH = { endpoint: 'token', grantType: 'refresh_token' } as const;
let bench: Bench;
afterEach(() => bench.close());

async function connected() {
  const opened = await Bench.connected(memoryStore(), { canary: false });
  ({ bench } = opened);
  return opened;
}

describe('explain()', () => {
  it('says of an answer that could not be read that nothing more is sent, and so does the error', async () => {
    const { connection } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'wrap-root', times: 1 });
    await bench.clock.advance(LIFE);
    const error = await connection.getAccessToken().catch((error) => error);
    expect(error.code).toBe('rotation_uncertain');
    const said = (await connection.explain()).join('\n');
    for (const text of [error.message, said]) {
      expect(text).not.toMatch(/probed/);
      expect(text).toMatch(/could not be read/);
    }
  });

  it('tells of a refresh that rests, and why: the next call does not wait for one', async () => {
    const { connection } = await connected();
    bench.emulator.faults.add({ match: REFRESH, kind: 'rate-limit', retryAfter: 600, times: 1 });
    await bench.clock.advance(LIFE - 5 * MINUTE);
    await connection.getAccessToken();
    await bench.presented(1);
    await bench.clock.settle(50);
    const before = (await connection.explain()).join('\n');
    expect(before).not.toMatch(/renews it/);
    expect(before).toMatch(/tried for another (9|10) minutes: The token endpoint asks to wait/);
    await bench.clock.advance(6 * MINUTE);
    const error = await connection.getAccessToken().catch((error) => error);
    const said = (await connection.explain()).join('\n');
    expect(said).not.toMatch(/waits for one refresh/);
    expect(said).toMatch('4 minutes');
    expect(said).toMatch(error.message);
  });
});
