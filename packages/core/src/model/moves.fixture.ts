import { compareGrants, EMPTY_RECORD } from '../record.ts';
import { tokenOf } from './invariants.fixture.ts';
import { lookAt, snapshotOf, timeOf, withProcess, withStore, withTruth } from './memory.fixture.ts';
import { ATTEMPTS, namesIn, normal } from './parts.fixture.ts';
import { isLive } from './provider.fixture.ts';
import { requestMoves } from './request-moves.fixture.ts';
import { deliver, execute, load, proceed, takeOff } from './shell.fixture.ts';
import { crashed, storeMoves } from './store-moves.fixture.ts';
import type { Config, Fault, Faulty, Free, Process, Running, World } from './world.fixture.ts';

/** One thing that may happen next. `fault`: it costs one of the run's faults. */
export interface Move {
  readonly label: string;
  readonly fault: boolean;
  readonly to: () => World;
}

const NAMES = ['P1', 'P2', 'P3', 'P4'];

/** Everything that may happen in this state. */
export function movesOf(config: Config, world: World): readonly Move[] {
  const moves: Move[] = [];
  const faultsLeft = config.faults - world.truth.faults;
  const free = (label: string, to: () => World): void => void moves.push({ label, fault: false, to });
  const fault = (kind: Fault, label: string, to: (faulted: World) => World): void => {
    if (faultsLeft <= 0 || !config.kinds.includes(kind)) return;
    const next = (): World => to(withTruth(world, { faults: world.truth.faults + 1 }));
    moves.push({ label: `! ${label}`, fault: true, to: next });
  };
  let urgent = false;
  world.processes.forEach((process, index) => {
    urgent = processMoves(config, world, process, index, free, fault) || urgent;
  });
  world.truth.requests.forEach((request, at) => {
    urgent = requestMoves(config, world, request, at, free, fault) || urgent;
  });
  storeMoves(config, world, free, fault);
  if (!urgent)
    free('time passes', () => {
      const { store, truth, processes } = world;
      const later = processes.map((process) => normal(process, true));
      return { store: normal(store, true), truth: normal(truth, true), processes: later };
    });
  return moves;
}

/** True when time cannot pass before something happens here. */
function processMoves(
  config: Config,
  world: World,
  process: Process,
  index: number,
  free: Free,
  fault: Faulty,
): boolean {
  const name = NAMES[index] ?? `P${index}`;
  const running = process.running;
  if (!process.up) {
    free(`${name} is started again`, () => withProcess(world, index, { up: true }));
    return false;
  }
  if (process.cut) {
    free(`${name} reaches the store again`, () => withProcess(world, index, { cut: false }));
  }
  if (!running) {
    idleMoves(config, world, process, index, name, free, fault);
    return false;
  }
  fault('crash', `${name} crashes`, (faulted) => crashed(faulted, index));
  if (!process.cut) {
    fault('partition', `${name} is cut off from the store`, (faulted) =>
      withProcess(faulted, index, { cut: true, excused: true }),
    );
  }
  if (process.paused) {
    free(`${name} goes on`, () => {
      const awake = withProcess(world, index, { paused: false });
      return running.op.kind === 'answered' ? deliver(config, awake, index, running.op.answer) : awake;
    });
    return false;
  }
  fault('pause', `${name} is stopped`, (faulted) =>
    withProcess(faulted, index, { paused: true, excused: true }),
  );
  return flightMoves(config, world, process, running, index, name, free, fault);
}

function flightMoves(
  config: Config,
  world: World,
  process: Process,
  running: Running,
  index: number,
  name: string,
  free: Free,
  fault: Faulty,
): boolean {
  const { op, flight } = running;
  const time = timeOf(process);
  switch (op.kind) {
    case 'answered':
      free(`${name} goes on`, () => deliver(config, world, index, op.answer));
      return true;
    case 'read':
    case 'write': {
      const what = describe(running);
      if (world.store.down || process.cut) {
        free(`${name} fails: ${what}`, () => deliver(config, world, index, { type: 'failed' }));
        return true;
      }
      free(`${name} ${what}`, () => {
        const [next, answer] = execute(config, world, index);
        return deliver(config, next, index, answer);
      });
      const holds = flight.at === 'persisting' ? { excused: true } : {};
      fault('store_error', `${name} fails: ${what}`, (faulted) =>
        deliver(config, withProcess(faulted, index, holds), index, { type: 'failed' }),
      );
      fault('pause', `${name} ${what}, and is stopped`, (faulted) => {
        const [next, answer] = execute(config, faulted, index);
        const op = { kind: 'answered', answer } as const;
        return withProcess(next, index, { paused: true, excused: true, running: { ...running, op } });
      });
      if (op.kind === 'read') return true;
      fault('store_error', `${name} ${what}, the answer is lost`, (faulted) => {
        const [next] = execute(config, withProcess(faulted, index, holds), index);
        return deliver(config, next, index, { type: 'failed' });
      });
      fault('crash', `${name} ${what}, and crashes`, (faulted) => {
        const [next] = execute(config, faulted, index);
        return crashed(next, index);
      });
      return true;
    }
    case 'timer': {
      if (op.ticks > 0) return false;
      // A poll that would find what the last one found changes nothing.
      const away = world.store.down || process.cut;
      if (flight.at === 'waiting' && !away && !hasChanged(config, world, process)) return false;
      free(`${name} wakes up`, () => proceed(config, world, index, { type: 'timer', time }));
      return flight.at !== 'waiting' || !away;
    }
    case 'replay':
      free(`${name} reads the journal`, () => {
        const entries = [...world.store.journal, ...process.journal];
        let entry = null as (typeof entries)[number] | null;
        for (const found of entries) {
          const order = compareGrants(found.record, entry?.record ?? op.above);
          const another = op.beside !== null && found.record.refresh?.fingerprint !== op.beside;
          if (order > 0 || (order === 0 && entry === null && another)) entry = found;
        }
        const replayed = entries.map(({ pair }) => pair?.refresh ?? '');
        const informed = withProcess(world, index, { running: { ...running, replayed } });
        return proceed(config, informed, index, {
          type: 'replayed',
          entry,
          answer: null,
          pending: null,
          time,
        });
      });
      return true;
    case 'journal': {
      const write = (before: World): World => {
        const { record } = op;
        const pair = typeof record.tokens === 'string' ? null : record.tokens;
        if (!pair) throw new Error('A journal takes pairs only.');
        const entry = normal({ record, pair, at: 0 });
        if (config.journal === 'private')
          return withProcess(before, index, { journal: [...process.journal, entry] });
        return withStore(before, { journal: [...before.store.journal, entry] });
      };
      free(`${name} writes the journal`, () =>
        proceed(config, write(world), index, { type: 'journaled', time }),
      );
      fault('store_error', `${name} cannot write the journal`, (faulted) =>
        proceed(config, faulted, index, { type: 'journaled', time }),
      );
      return true;
    }
    case 'send':
      return false;
    default:
      return op satisfies never;
  }
}

function hasChanged(config: Config, world: World, process: Process): boolean {
  const found = world.store.row?.record.intent;
  const sight = process.sight;
  const same =
    found &&
    sight &&
    found.attemptId === sight.attemptId &&
    found.kind === sight.kind &&
    found.leaseUntil === sight.leaseUntil;
  return !same || lookAt(config, { ...process, lag: 0 }, snapshotOf(world))[0] <= 0;
}

function idleMoves(
  config: Config,
  world: World,
  process: Process,
  index: number,
  name: string,
  free: Free,
  fault: Faulty,
): void {
  const known = process.known;
  const { row, down } = world.store;
  if (down || process.cut) return;
  // With nothing usable in memory, the record is read again.
  const useless = known === null || known.record.tokens === null || known.record.dead !== null;
  const order = compareGrants(row?.record ?? EMPTY_RECORD, known?.record ?? EMPTY_RECORD);
  const revived = order === 0 && row?.record.dead === null && known?.record.dead !== null;
  if (!process.loaded || (useless && row && (order > 0 || revived))) {
    free(`${name} loads the record`, () => load(config, world, index));
  }
  if (!process.loaded || !known) return;
  const token = tokenOf(row?.record);
  const due =
    known.record.generation < config.generations ||
    token === null ||
    !isLive(world.truth, token) ||
    row?.record.intent !== null ||
    row.record.unknown !== null;
  const alive = known.record.tokens !== null && known.record.dead === null;
  const journals = config.journal !== 'none' && known.record.tokens !== null && known.record.dead !== null;
  const behind = world.truth.fell && (!row || compareGrants(row.record, known.record) < 0);
  if ((alive && due) || behind || journals) {
    free(`${name} begins a refresh`, () => takeOff(config, world, index, freeName(world)));
  }
  // Crashing loses what only this process remembers.
  if (behind) fault('crash', `${name} crashes`, (faulted) => crashed(faulted, index));
}

function freeName({ store, truth, processes }: World): string {
  const used = [store, truth, ...processes].reduce((names, part) => names | namesIn(part), 0);
  const name = ATTEMPTS.find((_, bit) => (used & (1 << bit)) === 0);
  if (!name) throw new Error('The model runs out of names for attempts.');
  return name;
}

function describe({ op, flight }: Running): string {
  const generation = op.kind === 'write' ? op.record.generation : 0;
  switch (flight.at) {
    case 'reading':
    case 'waiting':
      return 'reads the record';
    case 'announcing':
      return op.kind === 'write'
        ? `announces a probe of generation ${generation}`
        : 'reads the record, settling';
    case 'intending':
      return op.kind === 'write'
        ? `writes the intent (${flight.intent.kind}) for generation ${generation}, then sends`
        : 'looks for its own intent';
    case 'persisting':
      return op.kind === 'write'
        ? `writes generation ${generation}`
        : 'reads the record, with a pair in hand';
    case 'rechecking':
      return 'reads the record again after a refusal';
    case 'burying':
      return `declares generation ${generation} dead`;
    case 'repairing':
      return `repairs the record to generation ${generation}`;
    case 'restoring':
      return `writes generation ${generation} from a journal`;
    case 'clearing':
      return 'takes its intent back';
    default:
      return flight.at;
  }
}
