/** CPU time of this process per API call, as a ratio: the other end is a process of its own. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createTokenManager, memoryStore } from '@hq-oauth/core';
import ky from 'ky';

const RUNS = Number(process.env.RUNS ?? 11);
const WARM_UP = 6;
/** Of each run, so that a machine which gets slower or faster meanwhile does so for both. */
const SLICES = 11;
/** Calls of a slice. */
const SIZES = [
  { concurrency: 1, calls: 150 },
  { concurrency: 64, calls: 640 },
] as const;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void;
const KEY = Buffer.alloc(32, 'bench of hq-oauth, key one').toString('base64');

type Call = () => Promise<unknown>;
interface Pair {
  readonly name: string;
  readonly floor: Call;
  readonly measured: Call;
}

const child = fork(new URL('./instance.ts', import.meta.url));
const [port] = (await once(child, 'message')) as [number];
const instanceUrl = `http://127.0.0.1:${port}/acme`;
const token = 'a'.repeat(40);
const headers = { authorization: `Bearer ${token}` };
const manager = createTokenManager({
  instanceUrl,
  clientId: '1012',
  clientSecret: 'secret',
  store: memoryStore(),
  encryption: { keys: [{ id: 'k1', key: Buffer.from(KEY, 'base64').map((byte, at) => byte ^ (at * 7)) }] },
  provider: { allowLoopback: true },
});
const connection = manager.connection('ann');
await connection.importTokens({ access_token: token, refresh_token: 'r', expires_in: 18_000 });
const alone = ky.create({ prefix: `${instanceUrl}/api/`, headers });
const address = `${instanceUrl}/api/6/sites`;

const pairs: readonly Pair[] = [
  {
    name: 'connection.fetch against fetch',
    floor: async () => (await fetch(address, { headers })).json(),
    measured: async () => (await connection.fetch('6/sites')).json(),
  },
  {
    name: 'client.get against ky',
    floor: () => alone.get('6/sites').json(),
    measured: () => connection.client.get('6/sites').json(),
  },
];

/** Microseconds of CPU per call. */
async function cost(call: Call, concurrency: number, calls: number): Promise<number> {
  let left = calls;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await call();
    }
  };
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: concurrency }, lane));
  // Each clears away what it has left, or the next one would pay for it.
  collect({ type: 'minor' });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

// Until nothing is compiled any more, which costs CPU time as well.
for (let round = 0; round < WARM_UP; round += 1) {
  for (const { floor, measured } of pairs) for (const call of [floor, measured]) await cost(call, 8, 500);
}
for (const { concurrency, calls } of SIZES) {
  for (const { name, floor, measured } of pairs) {
    const floors: number[] = [];
    const ratios: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      const pairOf: { readonly floor: number; readonly measured: number }[] = [];
      for (let slice = 0; slice < SLICES; slice += 1) {
        // In turns, so that what else the machine does falls on both.
        const [first, second] = (run + slice) % 2 === 0 ? [floor, measured] : [measured, floor];
        const one = await cost(first, concurrency, calls);
        const two = await cost(second, concurrency, calls);
        pairOf.push(first === floor ? { floor: one, measured: two } : { floor: two, measured: one });
      }
      // Of neighbours, and their median: a moment in which the machine did something else is one slice's, not the run's.
      floors.push(median(pairOf.map((slices) => slices.floor)));
      ratios.push(median(pairOf.map((slices) => slices.measured / slices.floor)));
    }
    const spread = `${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}`;
    console.log(
      `${name}, ${concurrency} at a time: ${median(ratios).toFixed(3)} (median of ${RUNS}, ${spread}; floor ${median(floors).toFixed(0)} µs of CPU a call)`,
    );
  }
}
await manager.close();
child.disconnect();
