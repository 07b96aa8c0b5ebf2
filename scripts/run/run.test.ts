import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closingLine, countTests, secondTries } from './outcome.ts';
import { createRunFolder } from './run-folder.ts';
import { Terminal } from './terminal.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hq-run-'));
});
afterEach(() => rmSync(root, { recursive: true }));

describe('run folder', () => {
  it('keeps the newest of its kind, and leaves other kinds and other files alone', () => {
    mkdirSync(join(root, '.run/20200101-000000000-demo'), { recursive: true });
    writeFileSync(join(root, '.run/notes.txt'), '');
    for (let second = 0; second < 7; second += 1) {
      createRunFolder(root, 'test', { now: new Date(Date.UTC(2026, 0, 1, 0, 0, second)), keep: 5 });
    }
    expect(readdirSync(join(root, '.run')).sort()).toEqual([
      '20200101-000000000-demo',
      ...[2, 3, 4, 5, 6].map((second) => `20260101-00000${second}000-test`),
      'notes.txt',
    ]);
  });

  it('refuses to share a folder', () => {
    const options = { now: new Date(0), keep: 5 };
    createRunFolder(root, 'test', options);
    expect(() => createRunFolder(root, 'test', options)).toThrow('EEXIST');
  });
});

describe('closing line', () => {
  it('names skipped tests only when there are any', () => {
    expect(closingLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
    expect(closingLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });

  it('counts a file that cannot be loaded as failed', () => {
    const test = (state: 'passed' | 'failed' | 'skipped') => ({ name: 'a', state, durationMs: 0 });
    const tests = [test('passed'), test('passed'), test('failed'), test('skipped')];
    expect(countTests({ tests, otherFailures: ['b.test.ts: SyntaxError'] })).toEqual({
      passed: 2,
      failed: 2,
      skipped: 1,
    });
  });
});

describe('second tries', () => {
  it('names what passed and not at once', () => {
    const test = (name: string, state: 'passed' | 'failed', retries: number) => ({
      name,
      state,
      durationMs: 0,
      retries,
    });
    const tests = [test('a', 'passed', 0), test('b', 'passed', 1), test('c', 'failed', 1)];
    expect(secondTries({ tests, otherFailures: [] })).toEqual(['b']);
  });
});

describe('terminal', () => {
  it('logs both streams of a command, and tells a failure, a missing program and a time-out apart', async () => {
    const log = join(root, 'output.log');
    const terminal = new Terminal(log);
    const node = (code: string, timeoutMs: number) =>
      terminal.run(process.execPath, ['-e', code], { cwd: root, env: process.env, timeoutMs });
    terminal.line('first');
    const result = await node("console.log('to out'); console.error('to err'); process.exitCode = 3", 60_000);
    expect(result).toMatchObject({ exitCode: 3, problem: null });
    expect(await node('setInterval(() => {}, 1000)', 300)).toMatchObject({
      exitCode: null,
      problem: 'ended after 0 s',
    });
    expect(
      await terminal.run('no-such-program', [], { cwd: root, env: {}, timeoutMs: 60_000 }),
    ).toMatchObject({
      exitCode: null,
      problem: expect.stringContaining('ENOENT'),
    });
    terminal.close();
    const text = readFileSync(log, 'utf8');
    expect(text.startsWith('first\n')).toBe(true);
    expect(text).toContain('to out\n');
    expect(text).toContain('to err\n');
  });
});
