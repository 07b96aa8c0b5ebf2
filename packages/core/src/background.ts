import type { ResolvedOptions } from './options.ts';

/** Work that outlives the call that began it, as the platform wants it. */
export class Background {
  readonly #options: Pick<ResolvedOptions, 'background' | 'logger'>;

  constructor(options: Pick<ResolvedOptions, 'background' | 'logger'>) {
    this.#options = options;
  }

  /** Starts work that no caller needs to wait for. `true`: this platform wants it waited for all the same. */
  start(work: (() => Promise<unknown>) | null): boolean {
    if (!work) return false;
    this.hand(work());
    return this.#options.background === 'await';
  }

  /** For a platform that keeps a process awake for the promises that it was given. */
  hand(work: Promise<unknown>): void {
    const { background, logger } = this.#options;
    if (typeof background !== 'function') return;
    const failed = (): void =>
      logger.error('hq-oauth: the function for background work failed; the work goes on');
    try {
      // One that is asynchronous would end the program by a rejection that nobody handles.
      const handed: unknown = background(work);
      // Also one of another realm, as in test runners and worker runtimes.
      Promise.resolve(handed).catch(failed);
    } catch {
      failed();
    }
  }
}
