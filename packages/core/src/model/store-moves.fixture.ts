import { pairOf } from '../new-pair.ts';
import { EMPTY_RECORD, type GrantRecord } from '../record.ts';
import { authorized, tombstone } from '../transitions.ts';
import { tokenOf } from './invariants.fixture.ts';
import { withProcess, withStore, withTruth } from './memory.fixture.ts';
import { normal } from './parts.fixture.ts';
import { isLive } from './provider.fixture.ts';
import { nextRevision } from './shell.fixture.ts';
import { type Config, type Faulty, type Free, NOW, type World } from './world.fixture.ts';

/** What happens to the store as a whole, and what a person does. */
export function storeMoves(config: Config, world: World, free: Free, fault: Faulty): void {
  const { store, truth } = world;
  // A shorter outage is an error for those whom it hits.
  if (!store.down)
    fault('outage', 'the store is down', (faulted) => withStore(faulted, { down: { ticks: 2 } }));
  else if (store.down.ticks === 0) free('the store is back', () => withStore(world, { down: null }));
  if (!truth.fell) {
    store.past.forEach((older) => {
      const { row, family } = older;
      fault('fallback', `the store falls back to revision ${row?.rev ?? 0}`, (faulted) => {
        const forgotIntent = row !== null && isForgotten(world, row.record);
        const fallen = withStore(faulted, { row, family, past: [] });
        return forgiven(withTruth(fallen, { fell: true, forgotIntent }));
      });
    });
  }
  const token = tokenOf(store.row?.record);
  if (token && isLive(truth, token)) {
    fault('revoke', 'the provider revokes the grant', (faulted) =>
      withTruth(faulted, {
        revoked: true,
        tokens: truth.tokens.map((known) => ({ ...known, state: 'dead' as const })),
      }),
    );
  }
  if (store.down) return;
  const before = store.row?.record ?? EMPTY_RECORD;
  const act = truth.acts + 1;
  const family = String(act + 1);
  const past = config.kinds.includes('fallback') && !truth.fell;
  const kept = past ? [...store.past, { row: store.row, family: store.family }].slice(-3) : [];
  const rev = nextRevision(config, world);
  fault('reauthorize', 'the person signs in again', (faulted) => {
    const token = `${family}.1`;
    const response = {
      accessToken: `access ${token}`,
      refreshToken: token,
      expiresInSeconds: 1,
      refreshExpiresInSeconds: null,
      userEmail: null,
      format: 'json',
      anomalies: [],
    } as const;
    const { next } = pairOf(response, { accessFrom: NOW, refreshFrom: NOW }, undefined, {
      pair: null,
      refresh: null,
    });
    const by = { event: 'authorized', authorizationId: `act ${act}`, at: NOW + act, jitter: 0 } as const;
    const record = normal(config.system.authorized(before, authorized(before, next, by)));
    const tokens = [...truth.tokens, { name: token, state: 'live', successor: null } as const];
    return withStore(withTruth(faulted, { acts: act, tokens, revoked: false, endedByReuse: null }), {
      row: { rev, record },
      family,
      past: kept,
    });
  });
  fault('disconnect', 'the person disconnects', (faulted) => {
    const record = config.system.disconnected(before, tombstone(before, NOW + act));
    const row = record && { rev, record: normal(record) };
    return withStore(withTruth(faulted, { acts: act }), { row, family, past: kept });
  });
}

/** Somebody has sent, or is about to, on an intent that this older record does not show. */
function isForgotten({ truth, processes }: World, record: GrantRecord): boolean {
  const hidden = (epoch: number, attemptId: string, generation: number): boolean =>
    epoch === record.epoch && generation === record.generation && attemptId !== record.intent?.attemptId;
  const sent = truth.requests.some(({ epoch, attemptId, generation }) =>
    hidden(epoch, attemptId, generation),
  );
  return (
    sent ||
    processes.some(({ running }) => {
      if (running?.flight.at !== 'intending' || running.op.kind !== 'answered') return false;
      const { epoch, generation } = running.flight.record;
      return hidden(epoch, running.attemptId, generation);
    })
  );
}

export function crashed(world: World, index: number): World {
  const process = world.processes[index];
  const attemptId = process?.running?.attemptId;
  const requests = world.truth.requests.map((request) =>
    request.attemptId === attemptId ? { ...request, orphan: true } : request,
  );
  const next = withProcess(world, index, {
    up: false,
    paused: false,
    cut: false,
    excused: false,
    loaded: false,
    known: null,
    unpersisted: false,
    lag: 0,
    jump: null,
    sight: null,
    running: null,
  });
  return forgiven(withTruth(next, { requests }));
}

/** After a crash or a store that forgot: what is nowhere now was lost in a window of I10. */
function forgiven(world: World): World {
  // What lies in a stopped process's socket has not been received.
  const read = world.processes.map((process) =>
    process.running?.op.kind === 'answered' && process.running.op.answer.type === 'outcome'
      ? { ...process, running: { ...process.running, op: null } }
      : process,
  );
  const text = JSON.stringify([world.store, read]);
  const received = world.truth.received.filter((token) => text.includes(`"${token}"`));
  return withTruth(world, { received });
}
