import { createEmulator, type Emulator, type LedgerEntry, RefusedError } from '@hq-oauth/emulator';

async function main(): Promise<void> {
  const emulator: Emulator = await createEmulator({ refusal: 'xml-403', tokenMarker: 'mark' });
  const { code } = await emulator.authorize({ user: 'user@clientname.com' });
  const kinds: readonly LedgerEntry['kind'][] = emulator.ledger.entries.map((entry) => entry.kind);
  const at: number = emulator.clock.advance(1000);
  const answer: Response = await emulator.fetch('/acme/api/6/sites');
  const instance: string = emulator.env.HIGHQ_INSTANCE_URL;
  try {
    emulator.switches.set({ refreshYear: 'absolute' });
    emulator.restore('never kept');
    throw new Error('restored what is not there');
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
  }
  console.log(instance, code.length, kinds, at, answer.status);
  await emulator.close();
}

void main();
