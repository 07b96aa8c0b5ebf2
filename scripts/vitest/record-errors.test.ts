import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const RECORDER = new URL('record-errors.ts', import.meta.url).href;

it('F96 records hidden members, JSON, stack and causes of an error published in any process of a test', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hq-errors-'));
  try {
    const publish = `
      const error = new Error('outer', { cause: new Error('inner', { cause: 'innermost' }) });
      Object.defineProperty(error, 'hidden', { value: 'not enumerable', enumerable: false });
      error.toJSON = () => ({ forLogs: 'as JSON' });
      error.self = error;
      const send = () => require('node:diagnostics_channel').channel('hq-oauth:error').publish(error);
      send();
      send();`;
    // The child starts a child of its own, which is reached through the environment alone.
    const nested = `require('node:child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(publish)}], { stdio: 'inherit' })`;
    const { status, stderr } = spawnSync(process.execPath, ['--import', RECORDER, '-e', nested], {
      env: { ...process.env, NODE_OPTIONS: '', HQ_RUN_DIR: folder },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const text = readFileSync(join(folder, 'errors.log'), 'utf8');
    for (const part of ['outer', 'inner', 'innermost', 'not enumerable', '"forLogs":"as JSON"', 'at ']) {
      expect(text).toContain(part);
    }
    expect(text.split('--- error').length - 1).toBe(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
