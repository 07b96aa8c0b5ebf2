import type { Journal, JournalEntry } from '../journal.ts';
import type { Oracle } from './oracle.fixture.ts';
import { type RowView, viewOf } from './row-view.fixture.ts';
import type { SimProcess } from './sim-process.fixture.ts';
import { reopened, type SimStore, unopened } from './store.fixture.ts';

/** What a journal has on its disk: one for all processes, or one for each, which outlives the process. */
export interface Shelf {
  readonly shared: boolean;
  entries: JournalEntry[];
}

function above(a: JournalEntry, b: { readonly epoch: number; readonly generation: number }): number {
  return a.epoch - b.epoch || a.generation - b.generation;
}

/** `keepsNewest`: as journals do, and the rescue folder does not. */
export function simJournal(
  process: SimProcess,
  shelf: Shelf,
  { store, oracle, keepsNewest }: { store: SimStore; oracle: Oracle; keepsNewest: boolean },
): Journal {
  const path = { reachable: () => true, lost: () => new Error('the journal did not answer') };
  return {
    name: 'simulated',
    append(entry) {
      return process.ask(
        'journal.append',
        (fault) => {
          if (fault?.kind === 'torn') return;
          const body = reopened(entry.body);
          shelf.entries.push({ ...entry, body });
          const view = viewOf(body);
          store.noteSeals(view, process);
          oracle.journaled(process, entry.connectionId, view, shelf);
        },
        path,
      );
    },
    read(_registration, connectionId) {
      let at = Number.NEGATIVE_INFINITY;
      let found: readonly RowView[] = [];
      return process.ask(
        'journal.read',
        () => {
          at = oracle.now;
          const own = shelf.entries.filter((entry) => entry.connectionId === connectionId);
          found = own.map(({ body }) => viewOf(body));
          return own
            .map((entry) => {
              const view = viewOf(entry.body);
              return { ...entry, body: unopened(entry.body, store.unopenable(view, process)) };
            })
            .sort((a, b) => above(a, b));
        },
        {
          ...path,
          answered: () => oracle.replayed(process, connectionId, at, shelf, found),
        },
      );
    },
    forget(_registration, connectionId, below) {
      return process.ask(
        'journal.forget',
        () => {
          const own = shelf.entries.filter((entry) => entry.connectionId === connectionId);
          const newest = own.reduce<JournalEntry | null>(
            (best, entry) => (best && above(best, entry) > 0 ? best : entry),
            null,
          );
          if (!newest) return;
          const keep = (entry: JournalEntry): boolean =>
            entry.connectionId !== connectionId ||
            above(entry, below) >= 0 ||
            (keepsNewest && above(entry, newest) >= 0);
          shelf.entries = shelf.entries.filter(keep);
        },
        path,
      );
    },
    close: async () => undefined,
  };
}
