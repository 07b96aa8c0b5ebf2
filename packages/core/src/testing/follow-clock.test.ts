import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../clock.ts';
import { ConfigurationError } from '../errors.ts';
import { clockServer } from './clock-server.fixture.ts';
import { followClock } from './follow-clock.ts';

const AT = Date.UTC(2026, 0, 1);
const standing = (at: number) => ({ at, mode: 'virtual', rate: 0 });
const HOUR = 3_600_000;

describe('followClock', () => {
  it('shows what the followed clock shows after sync, and stands still with it', async () => {
    await using server = await clockServer(standing(AT));
    const clock = followClock(server.url);
    await clock.sync();
    const [now, monotonic] = [clock.now(), clock.monotonic()];
    expect(now).toBe(AT);
    await sleep(systemClock, 5);
    expect([clock.now(), clock.monotonic()]).toEqual([now, monotonic]);
    server.reading = standing(AT + 6 * HOUR);
    expect(clock.now()).toBe(AT);
    await clock.sync();
    expect([clock.now(), clock.monotonic()]).toEqual([AT + 6 * HOUR, monotonic + 6 * HOUR]);
    clock.close();
  });

  it('shows the time of the system before its first reading, which does not count as time passed', async () => {
    await using server = await clockServer(standing(Date.UTC(2100, 0, 1)));
    const clock = followClock(server.url);
    expect(Math.abs(clock.now() - systemClock.now())).toBeLessThan(1000);
    const before = clock.monotonic();
    await clock.sync();
    expect(clock.monotonic() - before).toBeGreaterThanOrEqual(0);
    expect(clock.monotonic() - before).toBeLessThan(5000);
    clock.close();
  });

  it('moves only the wall when the followed clock is set back, and counts on from there', async () => {
    await using server = await clockServer(standing(AT));
    const clock = followClock(server.url);
    await clock.sync();
    const monotonic = clock.monotonic();
    server.reading = standing(AT - 24 * HOUR);
    await clock.sync();
    expect([clock.now(), clock.monotonic()]).toEqual([AT - 24 * HOUR, monotonic]);
    server.reading = standing(AT - 23 * HOUR);
    await clock.sync();
    expect([clock.now(), clock.monotonic()]).toEqual([AT - 23 * HOUR, monotonic + HOUR]);
    clock.close();
  });

  it('runs at the rate of the followed clock between readings', async () => {
    await using server = await clockServer({ at: AT, mode: 'virtual', rate: 1000 });
    const clock = followClock(server.url);
    await clock.sync();
    const real = systemClock.monotonic();
    const [now, monotonic] = [clock.now(), clock.monotonic()];
    await sleep(systemClock, 10);
    const realMs = systemClock.monotonic() - real;
    for (const movedMs of [clock.now() - now, clock.monotonic() - monotonic]) {
      expect(movedMs).toBeGreaterThan(1_000);
      expect(movedMs).toBeLessThanOrEqual((realMs + 2_000) * 1000);
    }
    clock.close();
  });

  it('does not let the jitter of readings carry the monotonic clock ahead of a running one', async () => {
    await using server = await clockServer(null);
    const clock = followClock(server.url);
    const start = systemClock.monotonic();
    const reading = (jitterMs: number) => {
      const at = AT + systemClock.monotonic() - start + jitterMs;
      return { at, mode: 'real', rate: 1 };
    };
    server.reading = reading(0);
    await clock.sync();
    const [monotonic, real] = [clock.monotonic(), systemClock.monotonic()];
    for (let round = 0; round < 50; round += 1) {
      server.reading = reading(round % 2 ? 400 : -400);
      await clock.sync();
    }
    const aheadMs = clock.monotonic() - monotonic - (systemClock.monotonic() - real);
    expect(aheadMs).toBeLessThan(1500);
    clock.close();
  });

  it('counts each step of a clock in full once that has been stopped', async () => {
    await using server = await clockServer({ at: AT, mode: 'virtual', rate: 1 });
    const clock = followClock(server.url);
    await clock.sync();
    server.reading = standing(AT - 500);
    await clock.sync();
    const monotonic = clock.monotonic();
    server.reading = standing(AT - 500 + HOUR);
    await clock.sync();
    expect(clock.monotonic()).toBe(monotonic + HOUR);
    clock.close();
  });

  it('shares one request among callers of one moment, and never answers one who came after it was sent', async () => {
    await using server = await clockServer(standing(AT));
    const clock = followClock(server.url);
    server.hold = true;
    const early = [clock.sync(), clock.sync(), clock.sync()];
    await server.received(1);
    server.reading = standing(AT + HOUR);
    let lateSaw = 0;
    const late = [clock.sync(), clock.sync()].map((call) =>
      call.then(() => {
        lateSaw = clock.now();
      }),
    );
    server.release();
    await Promise.all(early);
    await Promise.all(late);
    expect(lateSaw).toBe(AT + HOUR);
    expect(server.requests).toBe(2);
    clock.close();
  });

  it('fires a timer when the followed clock has moved past it, with nobody calling sync', async () => {
    await using server = await clockServer(standing(AT));
    const clock = followClock(server.url, { pollMs: 5 });
    await clock.sync();
    let fired = false;
    const woken = sleep(clock, HOUR).then(() => {
      fired = true;
    });
    server.reading = standing(AT + HOUR - 1);
    await server.received(server.requests + 3);
    expect(fired).toBe(false);
    server.reading = standing(AT + HOUR);
    await woken;
    expect(clock.now()).toBe(AT + HOUR);
    const quiet = server.requests;
    await sleep(systemClock, 30);
    expect(server.requests).toBeLessThanOrEqual(quiet + 1);
    clock.close();
  });

  it('fires in the order of the due times, not what was cancelled, and at once without a delay', async () => {
    await using server = await clockServer(standing(AT));
    const clock = followClock(server.url);
    await clock.sync();
    const fired: string[] = [];
    clock.setTimer(() => fired.push('second'), 20);
    clock.setTimer(() => fired.push('first'), 10);
    clock.setTimer(() => fired.push('cancelled'), 15)();
    await new Promise<void>((resolve) => clock.setTimer(resolve, 0, { keepAlive: true }));
    expect(fired).toEqual([]);
    server.reading = standing(AT + 20);
    await clock.sync();
    expect(fired).toEqual(['first', 'second']);
    clock.close();
  });

  it('fires by itself at the expected instant of a clock that runs', async () => {
    await using server = await clockServer({ at: AT, mode: 'real', rate: 1 });
    const clock = followClock(server.url, { pollMs: 60_000 });
    await clock.sync();
    const before = clock.monotonic();
    await sleep(clock, 20);
    expect(clock.monotonic() - before).toBeGreaterThanOrEqual(20);
    expect(server.requests).toBe(1);
    clock.close();
  });

  it('keeps polling through answers that cannot be read', async () => {
    await using server = await clockServer(standing(AT));
    const clock = followClock(server.url, { pollMs: 5 });
    await clock.sync();
    const woken = sleep(clock, HOUR);
    server.status = 500;
    await server.received(server.requests + 3);
    server.status = 200;
    server.reading = standing(AT + HOUR);
    await woken;
    clock.close();
  });

  it('says that the clock cannot be read, and why', async () => {
    const gone = await clockServer(null);
    const clock = followClock(gone.url);
    await gone[Symbol.asyncDispose]();
    await expect(clock.sync()).rejects.toThrow(
      /clock at http:\/\/127\.0\.0\.1:\d+.* cannot be read: .*ECONNREFUSED/,
    );

    await using server = await clockServer(standing(AT));
    const other = followClock(server.url, { timeoutMs: 20 });
    for (const wrong of [null, {}, { at: 'noon', rate: 1 }, { at: AT, rate: -1 }, { at: AT }]) {
      server.reading = wrong;
      await expect(other.sync()).rejects.toThrow('without usable `at` and `rate`');
    }
    server.status = 503;
    await expect(other.sync()).rejects.toThrow('it answered 503');
    server.hold = true;
    await expect(other.sync()).rejects.toThrow('no answer within 20 ms');
    const closed = other.sync();
    other.close();
    await expect(closed).rejects.toThrow('closed');
    await expect(other.sync()).rejects.toThrow('closed');
  });

  it('follows no clock but one on loopback', () => {
    for (const url of [
      'https://acme.highq.com/_emulator/clock',
      'http://10.0.0.1/',
      'file:///etc/hosts',
      'x',
    ]) {
      expect(() => followClock(url)).toThrow(ConfigurationError);
    }
    for (const url of ['http://localhost:1/c', 'http://127.9.9.9:1/c', 'http://[::1]:1/c']) {
      followClock(url).close();
    }
  });

  it('lets a process end while only timers are pending that do not keep it alive', async () => {
    await using server = await clockServer(standing(AT));
    const module = fileURLToPath(new URL('./follow-clock.ts', import.meta.url));
    const program = `
      import { followClock } from ${JSON.stringify(module)};
      const clock = followClock(${JSON.stringify(server.url)});
      await clock.sync();
      clock.setTimer(() => console.log('fired'), 1000);
      console.log('armed');
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 });
    let printed = '';
    child.stdout.on('data', (chunk) => {
      printed += chunk;
    });
    const [status] = await once(child, 'close');
    expect([status, printed.trim()]).toEqual([0, 'armed']);
  });
});
