#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { parseCommand, type StartChoice, USAGE, UsageError } from './cli-arguments.ts';
import { createEmulator, type Emulator } from './create-emulator.ts';
import { isObject, RefusedError } from './refusal.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

function readSeed(file: string): object {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new UsageError(
      `--seed: ${file} cannot be read as JSON (${error instanceof Error ? error.message : error})`,
    );
  }
  if (!isObject(value)) throw new UsageError(`--seed: ${file} takes an object`);
  return value;
}

function startEmulator({ seedFile, ...choice }: StartChoice): Promise<Emulator> {
  return createEmulator({ ...choice, ...(seedFile === null ? {} : { seed: readSeed(seedFile) }) });
}

function introduction(emulator: Emulator): string {
  const env = Object.entries(emulator.env).map(([name, value]) => `  ${name}=${value}`);
  const users = emulator.users.list().map((user) => `  ${user.email}  password: ${user.password}`);
  return [
    `HighQ emulator, instance ${emulator.instanceUrl}`,
    `Registrations, clock, ledger: ${emulator.url}/_emulator/ui`,
    '',
    'Sign in as',
    ...users,
    '',
    'Environment for a program',
    ...env,
    '',
    `Stop with Ctrl-C. The clock is ${emulator.clock.mode}.`,
    '',
  ].join('\n');
}

async function start(choice: StartChoice, json: boolean): Promise<void> {
  const emulator = await startEmulator(choice);
  const { url, instanceUrl, env } = emulator;
  process.stdout.write(json ? `${JSON.stringify({ url, instanceUrl, env })}\n` : introduction(emulator));
  for (const signal of SIGNALS) process.once(signal, () => void emulator.close());
}

async function exec(choice: StartChoice, command: string, commandArguments: string[]): Promise<void> {
  const emulator = await startEmulator(choice);
  const child = spawn(command, commandArguments, {
    stdio: 'inherit',
    env: { ...process.env, ...emulator.env },
  });
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, forward);
  const code = await new Promise<number>((resolve) => {
    child.once('error', (error) => {
      process.stderr.write(`hq-emulator: ${command} cannot be started (${error.message})\n`);
      resolve(127);
    });
    child.once('exit', (status, signal) => resolve(signal ? 128 + constants.signals[signal] : (status ?? 1)));
  });
  for (const signal of SIGNALS) process.off(signal, forward);
  await emulator.close();
  process.exitCode = code;
}

async function advance(clockUrl: string, advanceMs: number): Promise<void> {
  const response = await fetch(clockUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ advanceMs }),
  });
  const answer: unknown = await response.json();
  if (!response.ok || !isObject(answer) || typeof answer.at !== 'number') {
    const reason =
      isObject(answer) && typeof answer.error === 'string' ? answer.error : `status ${response.status}`;
    throw new Error(reason);
  }
  process.stdout.write(`${new Date(answer.at).toISOString()}\n`);
}

async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2), process.env);
  switch (command.type) {
    case 'help':
      process.stdout.write(USAGE);
      return;
    case 'start':
      return start(command.choice, command.json);
    case 'exec':
      return exec(command.choice, command.command, command.commandArguments);
    case 'advance':
      return advance(command.clockUrl, command.advanceMs);
    default:
      return command satisfies never;
  }
}

function isUsageError(error: unknown): boolean {
  if (error instanceof UsageError || error instanceof RefusedError) return true;
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}

try {
  await main();
} catch (error) {
  const usage = isUsageError(error);
  process.stderr.write(
    `hq-emulator: ${error instanceof Error ? error.message : error}\n${usage ? `\n${USAGE}` : ''}`,
  );
  process.exitCode = usage ? 2 : 1;
}
