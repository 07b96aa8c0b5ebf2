import { systemClock, systemRandom } from '@hq-oauth/core';
import { isLocked } from './sqlite-errors.ts';

/** SQLite runs on the thread of the event loop: after this much of it in one turn, other work gets its turn. */
const TURN_BUDGET_MS = 5;
/** How long an operation waits for another process's lock. */
export const LOCK_BUDGET_MS = 10_000;
const LONGEST_PAUSE_MS = 40;

interface Job {
  readonly deadline: number;
  /** The lock's error where the file was locked; `null`: it was done, or failed for good. */
  attempt(): Error | null;
  fail(error: Error): void;
}

/** How much of the current turn of the event loop a store has used. Its lanes share one. */
export class Turn {
  #usedMs = 0;
  #resetPlanned = false;

  get isOver(): boolean {
    return this.#usedMs >= TURN_BUDGET_MS;
  }

  spend<T>(work: () => T): T {
    const from = systemClock.monotonic();
    try {
      return work();
    } finally {
      this.#usedMs += systemClock.monotonic() - from;
      this.#planReset();
    }
  }

  next(): Promise<void> {
    return new Promise((resolve) => systemClock.afterIo(resolve));
  }

  #planReset(): void {
    if (this.#resetPlanned) return;
    this.#resetPlanned = true;
    systemClock.afterIo(() => {
      this.#usedMs = 0;
      this.#resetPlanned = false;
    });
  }
}

/**
 * Runs synchronous work in the order of the calls, and tries again, off the event loop, what found the file locked.
 * Reads and writes have a lane each: a reader does not wait behind a writer that waits for another process. These
 * waits are about the machine and not about tokens, so they go by the system's clock whatever clock the store has.
 */
export class Lane {
  readonly #turn: Turn;
  readonly #lockBudgetMs: number;
  readonly #jobs: Job[] = [];
  #running: Promise<void> | null = null;

  constructor(turn: Turn, lockBudgetMs: number = LOCK_BUDGET_MS) {
    this.#turn = turn;
    this.#lockBudgetMs = lockBudgetMs;
  }

  /** Rejects with what `work` throws; with the lock's error once the file stayed locked for as long as a call waits. */
  run<T>(work: () => T): Promise<T> {
    const deadline = systemClock.monotonic() + this.#lockBudgetMs;
    return new Promise((resolve, reject) => {
      const attempt = (): Error | null => {
        try {
          resolve(work());
        } catch (error) {
          if (isLocked(error)) return error;
          reject(error);
        }
        return null;
      };
      this.#jobs.push({ deadline, attempt, fail: reject });
      if (this.#running) return;
      const running = this.#drain();
      // It may have ended within the call.
      this.#running = this.#jobs.length > 0 ? running : null;
    });
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    while (this.#jobs.length > 0) await this.#running;
  }

  async #drain(): Promise<void> {
    let pauses = 0;
    for (let job = this.#jobs[0]; job; job = this.#jobs[0]) {
      if (this.#turn.isOver) await this.#turn.next();
      const { deadline, attempt } = job;
      const lastTime = systemClock.monotonic() >= deadline;
      const locked = this.#turn.spend(attempt);
      if (!locked || lastTime) {
        this.#jobs.shift();
        pauses = 0;
        if (locked) this.#giveUp(job, locked);
      } else {
        await pause(Math.min(2 ** pauses, LONGEST_PAUSE_MS));
        pauses += 1;
      }
    }
    this.#running = null;
  }

  /** Those behind that have waited as long: each try of their own would stop the event loop for nothing. */
  #giveUp(first: Job, error: Error): void {
    first.fail(error);
    const now = systemClock.monotonic();
    while (this.#jobs[0] && this.#jobs[0].deadline <= now) this.#jobs.shift()?.fail(error);
  }
}

function pause(upToMs: number): Promise<void> {
  const delayMs = upToMs * (0.5 + systemRandom.float() / 2);
  return new Promise((resolve) => systemClock.setTimer(resolve, delayMs, { keepAlive: true }));
}
