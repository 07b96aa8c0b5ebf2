import { systemClock, systemRandom } from '@hq-oauth/core';

const LONGEST_PAUSE_MS = 100;

/** How long one operation may take. These waits are about the server and not about tokens: they go by the system's clock. */
export class Deadline {
  readonly #endsAt: number;
  readonly #timeoutMs: number;
  readonly #cancel: () => void;
  readonly #expired = Promise.withResolvers<never>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#endsAt = systemClock.monotonic() + timeoutMs;
    // Nobody may be waiting when it rejects.
    this.#expired.promise.catch(() => {});
    this.#cancel = systemClock.setTimer(
      () => this.#expired.reject(new Error(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
      { keepAlive: true },
    );
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get isOver(): boolean {
    return systemClock.monotonic() >= this.#endsAt;
  }

  /** Rejects when the time is over first. */
  bound<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#expired.promise]);
  }

  /** Waits a little, longer with each attempt, with jitter. */
  pause(attempt: number): Promise<void> {
    const delayMs = Math.min(2 ** attempt, LONGEST_PAUSE_MS) * (0.5 + systemRandom.float() / 2);
    return new Promise((resolve) => systemClock.setTimer(resolve, delayMs, { keepAlive: true }));
  }

  cancel(): void {
    this.#cancel();
  }
}
