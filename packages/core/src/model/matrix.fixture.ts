import { configOf } from './system.fixture.ts';
import type { Config, Fault, Reuse } from './world.fixture.ts';

export interface Cell {
  readonly name: string;
  readonly config: Config;
}

const REUSES: readonly Reuse[] = ['refused', 'family', 'same', 'fork', 'replace'];
/** What happens to a process, to the store as it sees it, and to a request. */
const COMMON: readonly Fault[] = ['store_error', 'crash', 'pause', 'request_lost', 'answer_lost', 'slow'];
const RARE: readonly Fault[] = ['outage', 'partition', 'refusal', 'rate_limit', 'revoke'];
const PERSON: readonly Fault[] = ['reauthorize', 'disconnect'];

function cell(name: string, change: Partial<Config>): Cell {
  return { name, config: configOf(change) };
}

/** One fault of each kind in each position of the provider's switches, and the pairs of faults that matter most. */
export function shortCells(): readonly Cell[] {
  return [
    ...REUSES.flatMap((reuse) => [
      cell(`reuse ${reuse}, no journal`, { reuse, kinds: [...COMMON, ...RARE, ...PERSON] }),
      cell(`reuse ${reuse}, shared journal`, { reuse, journal: 'shared', kinds: COMMON }),
      cell(`reuse ${reuse}, private journals`, {
        reuse,
        journal: 'private',
        kinds: ['crash', 'pause', 'store_error'],
      }),
    ]),
    cell('a store that falls back', { kinds: ['fallback', 'crash'] }),
    cell('a store that falls back, shared journal', { kinds: ['fallback', 'crash'], journal: 'shared' }),
    cell('a store that falls back, and a disconnect', { kinds: ['fallback', 'disconnect'], faults: 2 }),
    cell('two outages', { kinds: ['outage', 'answer_lost'], faults: 3 }),
    cell('two lost answers and crashes', { kinds: ['crash', 'answer_lost', 'request_lost'], faults: 2 }),
    cell('three generations', { generations: 3, kinds: ['crash', 'answer_lost', 'store_error'] }),
    cell('three processes', { processes: 3, kinds: ['answer_lost'] }),
    cell('three processes, one crashes', { processes: 3, kinds: ['crash'] }),
  ];
}

/** Every kind of fault at once, `faults` times: for a long run. */
export function longCells(faults: number): readonly Cell[] {
  return (['none', 'shared', 'private'] as const).flatMap((journal) =>
    REUSES.flatMap((reuse) => [
      cell(`reuse ${reuse}, journal ${journal}`, { reuse, journal, faults, kinds: [...COMMON, ...RARE] }),
      cell(`reuse ${reuse}, journal ${journal}, person and store`, {
        reuse,
        journal,
        faults,
        kinds: [...PERSON, 'fallback', 'crash', 'pause', 'answer_lost'],
      }),
    ]),
  );
}
