import { parseArgs } from 'node:util';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './durations.ts';

export const USAGE = `Usage
  hq-emulator start [--port 4310] [--host 127.0.0.1] [--instance acme] [--clock virtual|real]
                    [--seed file.json] [--token-marker TEXT] [--json]
  hq-emulator exec [the same options] -- <command> [arguments]
  hq-emulator clock advance <duration, such as 30m, 6h or 1d12h> [--url http://127.0.0.1:4310]
`;

const DEFAULT_PORT = 4310;

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface StartChoice {
  port: number;
  host: string;
  instance: string;
  clock: 'virtual' | 'real';
  seedFile: string | null;
  tokenMarker: string;
}

export type Command =
  | { type: 'help' }
  | { type: 'start'; choice: StartChoice; json: boolean }
  | { type: 'exec'; choice: StartChoice; command: string; commandArguments: string[] }
  | { type: 'advance'; clockUrl: string; advanceMs: number };

type Environment = Readonly<Record<string, string | undefined>>;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

/** `90s`, `6h`, `1d12h` in milliseconds; `null` for anything else. */
export function parseDuration(text: string): number | null {
  if (!/^(\d{1,12}(ms|s|m|h|d))+$/.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (UNITS[unit ?? ''] ?? Number.NaN);
  }
  return total;
}

const START_OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  instance: { type: 'string' },
  clock: { type: 'string' },
  seed: { type: 'string' },
  'token-marker': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

function readStart(
  args: string[],
  env: Environment,
  defaultPort: number,
): { choice: StartChoice; json: boolean; help: boolean } {
  const { values } = parseArgs({ args, options: START_OPTIONS, strict: true });
  const port = Number(values.port ?? defaultPort);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new UsageError('--port takes a number up to 65535');
  const clock = values.clock ?? 'virtual';
  if (clock !== 'virtual' && clock !== 'real') throw new UsageError('--clock takes virtual or real');
  const choice = {
    port,
    host: values.host ?? '127.0.0.1',
    instance: values.instance ?? 'acme',
    clock,
    seedFile: values.seed ?? null,
    tokenMarker: values['token-marker'] ?? env.HQ_EMULATOR_TOKEN_MARKER ?? '',
  } as const;
  return { choice, json: values.json ?? false, help: values.help ?? false };
}

function readClock(args: string[], env: Environment): Command {
  const { values, positionals } = parseArgs({
    args,
    options: { url: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
    strict: true,
  });
  if (values.help) return { type: 'help' };
  const [verb, amount, ...rest] = positionals;
  const advanceMs = amount === undefined ? null : parseDuration(amount);
  if (verb !== 'advance' || advanceMs === null || rest.length > 0) {
    throw new UsageError('clock takes: advance <duration>, such as 30m, 6h or 1d12h');
  }
  const base = values.url ?? `http://127.0.0.1:${DEFAULT_PORT}`;
  if (!URL.canParse(base)) throw new UsageError('--url takes the address of an emulator');
  const clockUrl = values.url === undefined ? env.HIGHQ_TEST_CLOCK : undefined;
  return { type: 'advance', clockUrl: clockUrl ?? new URL('/_emulator/clock', base).href, advanceMs };
}

/** Throws {@link UsageError}, or the error of `parseArgs`, for arguments that it does not understand. */
export function parseCommand(argv: readonly string[], env: Environment): Command {
  const [name, ...rest] = argv;
  switch (name) {
    case 'start': {
      const { choice, json, help } = readStart(rest, env, DEFAULT_PORT);
      return help ? { type: 'help' } : { type: 'start', choice, json };
    }
    case 'exec': {
      const split = rest.indexOf('--');
      const own = split < 0 ? rest : rest.slice(0, split);
      const { choice, help } = readStart(own, env, 0);
      if (help) return { type: 'help' };
      const [command, ...commandArguments] = split < 0 ? [] : rest.slice(split + 1);
      if (command === undefined) throw new UsageError('exec takes a command after --');
      return { type: 'exec', choice, command, commandArguments };
    }
    case 'clock':
      return readClock(rest, env);
    case 'help':
    case '--help':
    case '-h':
      return { type: 'help' };
    case undefined:
      throw new UsageError('a command is required: start, exec or clock');
    default:
      throw new UsageError(`there is no command ${name}`);
  }
}
