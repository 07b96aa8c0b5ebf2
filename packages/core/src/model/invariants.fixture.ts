import { compareGrants, type GrantRecord, type Intent } from '../record.ts';
import { familyOf, generationOf, isLive, liveHeirs } from './provider.fixture.ts';
import { type Config, type Process, Violation, type World } from './world.fixture.ts';

/** The refresh token that a record presents. */
export function tokenOf(record: GrantRecord | null | undefined): string | null {
  const tokens = record?.tokens ?? null;
  return typeof tokens === 'string' ? null : (tokens?.refresh ?? null);
}

function siblingOf(record: GrantRecord | null | undefined): string | null {
  const tokens = record?.sibling?.tokens ?? null;
  return typeof tokens === 'string' ? null : (tokens?.refresh ?? null);
}

/** The pair that a process is trying to write, if it is. */
export function inHand(process: Process): string | null {
  const flight = process.running?.flight;
  return process.up && flight?.at === 'persisting' && flight.keep.kind === 'pair'
    ? flight.keep.next.pair.refresh
    : null;
}

/** Where this process could have found a pair: the store, a journal unless it came in after this flight had looked. */
function isVisible(world: World, process: Process | undefined, token: string): boolean {
  const row = world.store.row?.record;
  if (tokenOf(row) === token || siblingOf(row) === token) return true;
  const replayed = process?.running?.replayed ?? null;
  const journals = [...world.store.journal, ...(process?.journal ?? [])];
  return (
    (replayed === null || replayed.includes(token)) && journals.some(({ pair }) => pair?.refresh === token)
  );
}

/** At the moment when a process lets its request go. */
export function checkSend(config: Config, world: World, index: number, intent: Intent, token: string): void {
  const { store, truth, processes } = world;
  const process = processes[index];
  const known = process?.known?.record;
  const record = process?.running?.flight.at === 'sending' ? process.running.flight.snapshot.record : null;
  if (!process || !record) throw new Error('A flight sends that is not sending.');
  const place = { epoch: record.epoch, generation: intent.generation };

  const other = truth.requests.find(
    ({ epoch, generation }) => epoch === place.epoch && generation === place.generation,
  );
  if (other && !truth.forgotIntent) {
    throw new Violation('I1', `two requests for generation ${place.generation} are on their way`);
  }
  if (known && compareGrants(place, known) < 0) {
    throw new Violation(
      'I3',
      `generation ${place.generation} is presented, ${known.generation} is in memory`,
    );
  }
  const row = store.row?.record;
  const durable = row?.intent?.attemptId === intent.attemptId && row.generation === intent.generation;
  // A process that was stopped after its write may find its intent consumed by a success that came late.
  const consumed = process.excused && row !== undefined && compareGrants(row, place) > 0;
  if (!durable && !consumed && !truth.fell && (row?.epoch ?? 0) <= place.epoch) {
    throw new Violation('I4', `generation ${place.generation} is presented without an intent in the store`);
  }
  if (truth.fell || consumed) return;
  const before = truth.presented.filter((presented) => presented.token === token);
  if (before.some(({ lasts }) => lasts > 0)) {
    throw new Violation('I6', `${token} is presented again while the lease of the first time lasts`);
  }
  if (before.length > 0 && intent.kind !== 'probe') {
    throw new Violation('I6', `${token} is presented again without an announcement`);
  }
  for (const heir of liveHeirs(truth, token)) {
    if (isVisible(world, process, heir)) {
      throw new Violation(
        'I6',
        `${token} is presented although ${heir} stands where this process can see it`,
      );
    }
    const holder = processes.find((candidate) => inHand(candidate) === heir);
    if (holder && !holder.excused && !holder.paused && !holder.cut && config.journal !== 'private') {
      throw new Violation('I10', `${token} is presented although the holder of ${heir} was given no time`);
    }
  }
}

/** Before a write of a flight takes effect. */
export function checkWrite(
  config: Config,
  world: World,
  index: number,
  next: GrantRecord,
  family: string,
): void {
  const { store, truth, processes } = world;
  const process = processes[index];
  const old = store.row?.record;
  if (old && compareGrants(next, old) < 0) {
    throw new Violation('I2', `the record goes back from generation ${old.generation} to ${next.generation}`);
  }
  if (Number(family) < Number(store.family)) {
    throw new Violation('I2', `a write meant for grant ${family} lands on grant ${store.family}`);
  }
  const { intent, dead } = next;
  if (intent?.kind === 'probe' && intent.attemptId !== old?.intent?.attemptId) {
    throw new Violation('I6', 'a probe that nobody announced');
  }
  if (!dead || old?.dead) return;
  const running = process?.running;
  // The store fell back behind a death that was checked before.
  if (running?.flight.at === 'repairing' && process?.known?.record.dead) return;
  const { refusal, replayed } = running ?? { refusal: 'none', replayed: null };
  if (refusal === 'none') throw new Violation('I7', `declared dead (${dead.reason}) without a refusal`);
  if (refusal === 'unchecked' || (config.journal !== 'none' && replayed === null))
    throw new Violation('I7', 'a refusal is believed before record and journals were looked at again');
  if (truth.fell) return;
  // One that a process has in hand revives the record.
  const held = processes.map(inHand);
  const saved = liveHeirs(truth, `${family}.0`).find(
    (token) => isVisible(world, process, token) && !held.includes(token),
  );
  if (saved) throw new Violation('I7', `declared dead although ${saved} lives and is stored`);
  const late = !config.strictLabels && truth.endedByReuse !== null && truth.endedByReuse < next.generation;
  if (dead.reason === 'revoked_or_expired' && !truth.revoked && !late) {
    throw new Violation('I10', 'a grant that the protocol lost is declared as revoked');
  }
}

/** An announcement must have stood for the settle time when it becomes a probe. */
export function checkProbe({ truth }: World, { attemptId }: Intent): void {
  if (truth.announced?.attemptId === attemptId && truth.announced.lasts === 0) return;
  throw new Violation('I6', 'a probe whose settle time is not over');
}

/** In every state: what was received and lives is somewhere. */
export function checkReceived({ store, truth, processes }: World): void {
  const row = store.row?.record;
  for (const token of truth.received) {
    if (!isLive(truth, token) || Number(store.family) > Number(familyOf(token))) continue;
    if (Number(store.family) === Number(familyOf(token)) && (row?.generation ?? 0) > generationOf(token))
      continue;
    const kept =
      tokenOf(row) === token ||
      siblingOf(row) === token ||
      store.journal.some(({ pair }) => pair?.refresh === token) ||
      processes.some(
        (process) =>
          inHand(process) === token ||
          process.journal.some(({ pair }) => pair?.refresh === token) ||
          (truth.fell && process.up && tokenOf(process.known?.record) === token),
      );
    if (!kept) throw new Violation('I5', `${token} was received, lives, and is kept nowhere`);
  }
}

/** Everything has come to rest, and the record says the truth. */
export function isSettled({ store, truth, processes }: World): boolean {
  if (truth.requests.length > 0 || processes.some(({ up, running }) => up && running)) return false;
  const record = store.row?.record;
  if (!record || record.tokens === null || record.quarantine) return true;
  if (record.dead) {
    const kept = [siblingOf(record), ...store.journal.map(({ pair }) => pair?.refresh)];
    return !kept.some((token) => token && isLive(truth, token) && familyOf(token) === store.family);
  }
  const token = tokenOf(record);
  return token !== null && isLive(truth, token) && record.intent === null && record.unknown === null;
}
