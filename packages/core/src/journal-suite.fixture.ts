import { describe, expect, it } from 'vitest';
import { CONNECTION, entryAt, generationsOf, REGISTRATION } from './journal.fixture.ts';
import type { Journal } from './journal.ts';

/** A new, empty place for a journal. Each `open` is what one more process would have. */
export type NewPlace = () => { open(): Journal };

/** What every journal does, whatever it is kept in. */
export function journalSuite(name: string, newPlace: NewPlace): void {
  const read = (journal: Journal) => journal.read(REGISTRATION, CONNECTION);
  const forget = (journal: Journal, generation: number, epoch = 1) =>
    journal.forget(REGISTRATION, CONNECTION, { epoch, generation });

  describe(`${name}: what every journal does`, () => {
    it('has nothing of a grant that was never written', async () => {
      const journal = newPlace().open();
      expect(await read(journal)).toEqual([]);
      await forget(journal, 5);
      expect(await read(journal)).toEqual([]);
    });

    it('shows an entry as it was written, to other processes and after a restart', async () => {
      const place = newPlace();
      const first = place.open();
      const entry = entryAt(3, {
        epoch: 1_800_000_000_123,
        body: `{"big":"${'ü\u0000"\\'.repeat(10_000)}"}`,
      });
      await first.append(entry);
      expect(await read(place.open())).toEqual([entry]);
      await first.close();
      expect(await read(place.open())).toEqual([entry]);
    });

    it('reads in the order of epoch and generation, as numbers', async () => {
      const journal = newPlace().open();
      const positions = [
        [2, 0],
        [1, 10],
        [10, 1],
        [1, 9],
      ] as const;
      for (const [epoch, generation] of positions) await journal.append(entryAt(generation, { epoch }));
      const found = (await read(journal)).map(({ epoch, generation }) => [epoch, generation]);
      expect(found).toEqual([
        [1, 9],
        [1, 10],
        [2, 0],
        [10, 1],
      ]);
    });

    it('F79 keeps grants apart, whatever their ids are', async () => {
      const ids = ['a', 'A', '', '../../a', 'a\u0001b', '\ud800', '\ud801', 'ü', 'u\u0308', 'x'.repeat(2000)];
      const journal = newPlace().open();
      const registrations = [REGISTRATION, 'b'.repeat(64)];
      const grants = registrations.flatMap((registration) => ids.map((id) => ({ registration, id })));
      for (const [index, { registration, id }] of grants.entries()) {
        await journal.append(entryAt(index, { registration, connectionId: id }));
      }
      await journal.append(entryAt(100, { connectionId: 'a' }));
      await journal.forget(REGISTRATION, 'a', { epoch: 1, generation: 100 });
      for (const [index, { registration, id }] of grants.entries()) {
        const entries = await journal.read(registration, id);
        expect(generationsOf(entries), JSON.stringify(id.slice(0, 20))).toEqual([index || 100]);
        expect(entries).toEqual([expect.objectContaining({ registration, connectionId: id })]);
      }
    });

    it('forgets what is below the bound, and nothing at it', async () => {
      const journal = newPlace().open();
      for (const generation of [4, 5, 6]) await journal.append(entryAt(generation));
      await journal.append(entryAt(0, { epoch: 2 }));
      await forget(journal, 5);
      expect(generationsOf(await read(journal))).toEqual([5, 6, 0]);
      await forget(journal, 0, 2);
      expect(generationsOf(await read(journal))).toEqual([0]);
    });

    it('keeps the newest until the next one is written, since a store may forget what it acknowledged', async () => {
      const journal = newPlace().open();
      for (const generation of [4, 5]) await journal.append(entryAt(generation));
      await forget(journal, 99, 99);
      expect(generationsOf(await read(journal))).toEqual([5]);
      await journal.append(entryAt(6));
      await forget(journal, 6);
      expect(generationsOf(await read(journal))).toEqual([6]);
    });

    it('keeps both pairs of one generation, and an append that was repeated once', async () => {
      const journal = newPlace().open();
      const fork = { body: '{"other":true}' };
      await journal.append(entryAt(7));
      await journal.append(entryAt(7, fork));
      await journal.append(entryAt(7, { at: entryAt(7).at + 2000 }));
      const expected = [entryAt(7), entryAt(7, fork)];
      expect(await read(journal)).toHaveLength(2);
      expect(await read(journal)).toEqual(expect.arrayContaining(expected));
      await forget(journal, 99);
      expect(await read(journal)).toEqual(expect.arrayContaining(expected));
    });

    it('keeps what several processes append at once', async () => {
      const place = newPlace();
      await Promise.all([1, 2, 3, 4, 5, 6].map((generation) => place.open().append(entryAt(generation))));
      expect(generationsOf(await read(place.open()))).toEqual([1, 2, 3, 4, 5, 6]);
    });

    it('loses nothing that is appended while others forget', async () => {
      const place = newPlace();
      const [one, two, three] = [place.open(), place.open(), place.open()];
      await one.append(entryAt(0));
      for (let generation = 1; generation <= 40; generation += 1) {
        const [entries] = await Promise.all([
          read(three),
          one.append(entryAt(generation)),
          forget(two, generation),
          forget(three, generation - 1),
        ]);
        expect(generationsOf(entries).at(-1)).toBeGreaterThanOrEqual(generation - 1);
        expect(generationsOf(await read(two)).at(-1)).toBe(generation);
      }
    });

    it('waits in close for appends under way, and takes none afterwards', async () => {
      const place = newPlace();
      const journal = place.open();
      let landed = false;
      const append = journal.append(entryAt(1)).then(() => {
        landed = true;
      });
      await journal.close();
      expect(landed).toBe(true);
      await append;
      await expect(journal.append(entryAt(2))).rejects.toMatchObject({ code: 'store_unavailable' });
      expect(generationsOf(await read(place.open()))).toEqual([1]);
    });

    it('refuses an entry that could not be read back, without a word of it', async () => {
      const journal = newPlace().open();
      await expect(journal.append(entryAt(Number.NaN))).rejects.toThrow(TypeError);
      await expect(journal.append(entryAt(-1))).rejects.toThrow(TypeError);
      const body = 'top-secret'.repeat(150_000);
      const error: unknown = await journal.append(entryAt(1, { body })).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(RangeError);
      expect(String(error)).not.toContain('secret');
      expect(await read(journal)).toEqual([]);
    });
  });
}
