import { styleText } from 'node:util';

/** What a step has seen. */
export interface Observation {
  /** A figure that must be this one. */
  equal(what: string, observed: string | number, wanted: string | number): void;
  /** Something that must hold, told as it was seen. */
  holds(what: string, condition: boolean): void;
  /** A figure that nothing depends on. */
  tell(what: string): void;
}

/** A step that did not do what it should. */
export class StepFailure extends Error {
  override readonly name = 'StepFailure';
}

/** Prints each step with what was observed, and stops at the first that is not as it should be. */
export class Report {
  #steps = 0;

  get steps(): number {
    return this.#steps;
  }

  line(text = ''): void {
    process.stdout.write(`${text}\n`);
  }

  async step<T>(name: string, run: (seen: Observation) => Promise<T>): Promise<T> {
    this.#steps += 1;
    const told: string[] = [];
    const wrong: string[] = [];
    const note = (text: string, ok: boolean): void => {
      told.push(text);
      if (!ok) wrong.push(text);
    };
    let result: T | undefined;
    try {
      result = await run({
        equal: (what, observed, wanted) => {
          const ok = observed === wanted;
          note(`${what}: ${observed}${ok ? '' : `, but it should be ${wanted}`}`, ok);
        },
        holds: (what, condition) => note(condition ? what : `NOT SO: ${what}`, condition),
        tell: (what) => note(what, true),
      });
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error));
    }
    const failed = wrong.length > 0;
    const mark = failed ? styleText('red', '✗') : styleText('green', '✓');
    this.line(`${mark} ${String(this.#steps).padStart(2)}. ${styleText('bold', name)}`);
    for (const text of told) this.line(`       ${text}`);
    if (failed || result === undefined) throw new StepFailure(`${name}: ${wrong.join('; ') || 'no result'}`);
    return result;
  }
}
