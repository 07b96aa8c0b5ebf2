import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseCommand, parseDuration } from './cli-arguments.ts';
import { createEmulator } from './create-emulator.ts';

const BIN = fileURLToPath(new URL('./bin.ts', import.meta.url));
const PRINT_ENV = 'process.stdout.write(JSON.stringify(process.env))';

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

describe('hq-emulator start', () => {
  it('prints one line of JSON, serves, and ends on SIGTERM', async () => {
    const child = spawn(process.execPath, [BIN, 'start', '--port', '0', '--json', '--instance', 'zeta'], {
      stdio: 'pipe',
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = await once(child.stdout, 'data');
    const { url, instanceUrl, env } = JSON.parse(String(line));
    expect(instanceUrl).toBe(`${url}/zeta`);
    expect(env).toMatchObject({
      HIGHQ_INSTANCE_URL: instanceUrl,
      HIGHQ_CLIENT_ID: '1012',
      HIGHQ_ALLOW_LOOPBACK: '1',
    });
    expect((await fetch(env.HIGHQ_TEST_CLOCK)).status).toBe(200);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});

describe('hq-emulator exec', () => {
  it('runs a command with the environment and ends with its code', () => {
    const { status, stdout } = run(
      'exec',
      '--token-marker',
      'MARK',
      '--',
      process.execPath,
      '-e',
      `${PRINT_ENV};process.exitCode=7`,
    );
    expect(status).toBe(7);
    expect(JSON.parse(stdout)).toMatchObject({ HIGHQ_CLIENT_ID: '1012', HIGHQ_ALLOW_LOOPBACK: '1' });
  });

  it('reads a seed file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hq-emulator-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'seed.json');
    writeFileSync(file, JSON.stringify({ registrations: [{ clientId: '77', clientSecret: 'from-file' }] }));
    const { stdout } = run('exec', '--seed', file, '--', process.execPath, '-e', PRINT_ENV);
    expect(JSON.parse(stdout)).toMatchObject({ HIGHQ_CLIENT_ID: '77', HIGHQ_CLIENT_SECRET: 'from-file' });
    writeFileSync(file, '{');
    expect(run('exec', '--seed', file, '--', 'true').status).toBe(2);
  });

  it('answers 127 for a command that is not there', () => {
    expect(run('exec', '--', 'no-such-command-here').status).toBe(127);
  });
});

describe('hq-emulator clock advance', () => {
  it('moves the clock of a running emulator', async () => {
    const emulator = await createEmulator({ tokenMarker: process.env.HQ_EMULATOR_TOKEN_MARKER ?? '' });
    onTestFinished(() => emulator.close());
    emulator.clock.setRate(0);
    const before = emulator.clock.now();
    const child = spawn(process.execPath, [BIN, 'clock', 'advance', '1d6h', '--url', emulator.url], {
      stdio: 'ignore',
    });
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(emulator.clock.now() - before).toBe(30 * 3_600_000);
  });
});

describe('arguments', () => {
  it.each([['frob'], ['start', '--colour'], ['start', '--instance', 'a/b']])(
    '%s … ends with 2 and the usage',
    (...args) => {
      const { status, stderr, stdout } = run(...args);
      expect(status).toBe(2);
      expect(stderr).toContain('Usage');
      expect(stdout).toBe('');
    },
  );

  it.each([
    '',
    'start --port x',
    'start --port 70000',
    'start extra',
    'start --clock sundial',
    'exec',
    'exec --',
    'exec --seed',
    'clock advance',
    'clock advance soon',
    'clock back 1h',
    'clock advance 1h --url nowhere',
  ])('refuses “%s”', (line) => {
    expect(() => parseCommand(line.split(' ').filter(Boolean), {})).toThrow();
  });

  it('take the marker and the clock from the environment', () => {
    const started = parseCommand(['start'], { HQ_EMULATOR_TOKEN_MARKER: 'M' });
    expect(started).toMatchObject({
      type: 'start',
      json: false,
      choice: { port: 4310, tokenMarker: 'M', clock: 'virtual' },
    });
    expect(parseCommand(['exec', '--', 'a', '--port', '1'], {})).toMatchObject({
      choice: { port: 0 },
      command: 'a',
      commandArguments: ['--port', '1'],
    });
    const clock = 'http://127.0.0.1:1/_emulator/clock';
    expect(parseCommand(['clock', 'advance', '1s'], { HIGHQ_TEST_CLOCK: clock })).toEqual({
      type: 'advance',
      clockUrl: clock,
      advanceMs: 1000,
    });
    expect(parseCommand(['--help'], {})).toEqual({ type: 'help' });
  });

  it.each([
    ['500ms', 500],
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['1d12h', 129_600_000],
    ['6', null],
    ['h', null],
    ['1.5h', null],
    ['-1h', null],
  ])('read %s as %s ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });
});
