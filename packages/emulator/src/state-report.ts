import type { World } from './world.ts';

/** What `GET /_emulator/state` tells: everything but tokens, which are named by fingerprint. */
export function describeState(world: World): object {
  const { data } = world;
  const access = [...data.access.values()];
  const refresh = [...data.refresh.values()];
  return {
    instance: world.instance,
    url: world.url,
    clock: world.clock.read(),
    switches: world.switches,
    registrations: world.registrations.list(),
    users: world.users.list(),
    grants: [...data.grants.values()].map((grant) => {
      const newest = refresh.findLast(({ grantId }) => grantId === grant.id);
      const token = access.findLast(({ grantId }) => grantId === grant.id);
      return {
        ...grant,
        access: token && {
          fingerprint: token.fingerprint,
          expiresAt: token.expiresAt,
          endedAt: token.endedAt,
        },
        refresh: newest && { fingerprint: newest.fingerprint, expiresAt: newest.expiresAt },
      };
    }),
    sites: data.sites.length,
    documents: [...data.documents.values()],
    faults: world.faults.list(),
    ledgerEntries: world.ledger.entries.length,
    requests: world.requests.count(),
  };
}
