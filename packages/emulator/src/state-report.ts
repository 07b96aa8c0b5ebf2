import type { ClockReading } from './clock.ts';
import type { Fault } from './faults.ts';
import type { Registration, User } from './seed.ts';
import type { AccessRecord, DocumentRecord, GrantRecord, RefreshRecord } from './state.ts';
import type { Switches } from './switches.ts';
import type { World } from './world.ts';

export interface GrantReport extends GrantRecord {
  /** The access token issued last. */
  access: Pick<AccessRecord, 'fingerprint' | 'expiresAt' | 'endedAt'> | null;
  /** The refresh token issued last. */
  refresh: Pick<RefreshRecord, 'fingerprint' | 'expiresAt' | 'endedAt'> | null;
}

/** Everything that the provider remembers; tokens are named by fingerprint. */
export interface EmulatorState {
  instance: string;
  url: string;
  clock: ClockReading;
  switches: Readonly<Switches>;
  registrations: Registration[];
  users: User[];
  grants: GrantReport[];
  sites: number;
  documents: DocumentRecord[];
  faults: Fault[];
  ledgerEntries: number;
  requests: number;
}

type TokenReport = Pick<AccessRecord, 'fingerprint' | 'expiresAt' | 'endedAt'>;

/** The newest record of each grant. */
function newestOf(records: Iterable<TokenReport & { grantId: string }>): Map<string, TokenReport> {
  const newest = new Map<string, TokenReport>();
  for (const { grantId, fingerprint, expiresAt, endedAt } of records) {
    newest.set(grantId, { fingerprint, expiresAt, endedAt });
  }
  return newest;
}

export function describeState(world: World): EmulatorState {
  const { data } = world;
  const access = newestOf(data.access.values());
  const refresh = newestOf(data.refresh.values());
  return {
    instance: world.instance,
    url: world.url,
    clock: world.clock.read(),
    switches: { ...world.switches },
    registrations: world.registrations.list(),
    users: world.users.list(),
    grants: [...data.grants.values()].map((grant) => ({
      ...grant,
      access: access.get(grant.id) ?? null,
      refresh: refresh.get(grant.id) ?? null,
    })),
    sites: data.sites.length,
    documents: [...data.documents.values()],
    faults: world.faults.list(),
    ledgerEntries: world.ledger.entries.length,
    requests: world.requests.count(),
  };
}
