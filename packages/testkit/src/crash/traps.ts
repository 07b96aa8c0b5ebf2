/**
 * Labelled points of a refresh at which a process can be taken down. `intent`: the write that announces a request;
 * `pair`: the write of the next generation. `first-byte`: the lease was found long enough, and nothing is written to
 * the socket yet.
 */
export type TrapPoint =
  | 'before-intent'
  | 'intent-refused'
  | 'after-intent'
  | 'first-byte'
  | 'before-journal'
  | 'after-journal'
  | 'before-pair'
  | 'pair-sent'
  | 'after-pair'
  | 'listener'
  | 'after-announce'
  | 'after-probe';

/**
 * What happens there. `kill`, `stop`: SIGKILL or SIGSTOP to itself. `hold`: it tells its parent and waits to be told
 * to go on. `terminate`: SIGTERM to itself, and on when the shutdown has begun. `reject`: a promise that nobody handles.
 */
export type TrapAction = 'kill' | 'stop' | 'hold' | 'terminate' | 'reject';

export interface Trap {
  readonly connection: string;
  readonly at: TrapPoint;
  readonly action: TrapAction;
}

interface TrapOutlets {
  /** Tells the parent that a connection has come to its point. */
  readonly tell: (connection: string) => void;
  /** Resolves when the shutdown that a SIGTERM asks for has begun. */
  readonly terminating: Promise<void>;
}

/** The traps of one process; each springs once. */
export class Traps {
  readonly #armed: Trap[];
  readonly #held = new Map<string, () => void>();
  readonly #outlets: TrapOutlets;

  constructor(traps: readonly Trap[], outlets: TrapOutlets) {
    this.#armed = [...traps];
    this.#outlets = outlets;
  }

  isArmed(connection: string, at: TrapPoint): boolean {
    return this.#armed.some((trap) => trap.connection === connection && trap.at === at);
  }

  /** Resolves when the process may go on, which may be never. */
  async reach(connection: string, at: TrapPoint): Promise<void> {
    const trap = this.#armed.find((armed) => armed.connection === connection && armed.at === at);
    if (trap) await this.#spring(trap);
  }

  /** For a point that does not know its connection. */
  reachAny(at: TrapPoint): void {
    const trap = this.#armed.find((armed) => armed.at === at);
    if (trap) void this.#spring(trap);
  }

  goOn(connection: string): void {
    this.#held.get(connection)?.();
  }

  /** Up to its first `await` in the same call: a stop must come before anything else does. */
  async #spring(trap: Trap): Promise<void> {
    this.#armed.splice(this.#armed.indexOf(trap), 1);
    switch (trap.action) {
      case 'kill':
        process.kill(process.pid, 'SIGKILL');
        return new Promise(() => {});
      case 'stop':
        this.#outlets.tell(trap.connection);
        process.kill(process.pid, 'SIGSTOP');
        return;
      case 'hold': {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#held.set(trap.connection, resolve);
        this.#outlets.tell(trap.connection);
        return promise;
      }
      case 'terminate':
        process.kill(process.pid, 'SIGTERM');
        return this.#outlets.terminating;
      case 'reject':
        void Promise.reject(new Error('a listener failed, and nobody handles it'));
        return;
      default:
        return trap.action satisfies never;
    }
  }
}
