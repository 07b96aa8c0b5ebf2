import { systemClock } from '../clock.ts';

interface Item {
  readonly at: number;
  readonly seq: number;
  readonly fn: () => void;
  cancelled: boolean;
}

/** Everything that will happen, in the order of virtual time; of two things at one instant, the one planned first. */
export class VirtualQueue {
  /** True time, ms from the start of the run. No process sees it. */
  now = 0;
  handled = 0;
  #seq = 0;
  readonly #heap: Item[] = [];

  at(at: number, fn: () => void): () => void {
    const item: Item = { at: Math.max(at, this.now), seq: this.#seq, fn, cancelled: false };
    this.#seq += 1;
    this.#push(item);
    return () => {
      item.cancelled = true;
    };
  }

  after(ms: number, fn: () => void): () => void {
    return this.at(this.now + ms, fn);
  }

  /** Runs what is due until `until`; pending promises come to rest after each event. */
  async run(until: number, stop: () => boolean = () => false): Promise<void> {
    await rest();
    while (!stop()) {
      const item = this.#heap[0];
      if (!item || item.at > until) break;
      this.#pop();
      if (item.cancelled) continue;
      this.now = item.at;
      this.handled += 1;
      item.fn();
      await rest();
    }
    if (!stop()) this.now = Math.max(this.now, until);
  }

  #push(item: Item): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (!parent || !before(item, parent)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = item;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = at * 2 + 1;
      const leftItem = heap[left];
      if (!leftItem) break;
      const rightItem = heap[left + 1];
      const right = rightItem !== undefined && before(rightItem, leftItem);
      const child = right ? rightItem : leftItem;
      if (!before(child, last)) break;
      heap[at] = child;
      at = right ? left + 1 : left;
    }
    heap[at] = last;
  }
}

function before(a: Item, b: Item): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}

/** One turn of the event loop: all promises that hang on nothing real have settled by then. */
function rest(): Promise<void> {
  return new Promise((resolve) => systemClock.afterIo(resolve));
}
