import { withProcess, withTruth } from './memory.fixture.ts';
import { processed } from './provider.fixture.ts';
import { deliver } from './shell.fixture.ts';
import type { Config, Faulty, Free, Outcome, Request, World } from './world.fixture.ts';

/** What may become of a request. True when time cannot pass before it did. */
export function requestMoves(
  config: Config,
  world: World,
  request: Request,
  at: number,
  free: Free,
  fault: Faulty,
): boolean {
  const { response, linger } = config.ticks;
  const { truth } = world;
  const gone = (from: World): World =>
    withTruth(from, { requests: from.truth.requests.filter((_, index) => index !== at) });
  const orphaned = (from: World): World => {
    const requests = from.truth.requests.map((other, index) =>
      index === at ? { ...other, orphan: true } : other,
    );
    return withTruth(from, { requests });
  };
  const answered = (from: World, outcome: Outcome): World => {
    const index = from.processes.findIndex(({ running }) => running?.attemptId === request.attemptId);
    const process = from.processes[index];
    if (!process?.running) return from;
    if (!process.paused) return deliver(config, from, index, { type: 'outcome', outcome });
    const op = { kind: 'answered', answer: { type: 'outcome', outcome } } as const;
    return withProcess(from, index, { running: { ...process.running, op } });
  };
  const atProvider = (from: World): readonly [World, Outcome] => {
    const [tokens, outcome] = processed(truth.tokens, request.token, config.reuse);
    const deaths = (known: typeof tokens): number => known.filter(({ state }) => state === 'dead').length;
    const ended = deaths(tokens) > deaths(truth.tokens);
    const endedByReuse = ended ? request.generation : truth.endedByReuse;
    return [withTruth(gone(from), { tokens, endedByReuse }), outcome];
  };
  const [, preview] = processed(truth.tokens, request.token, config.reuse);
  const what =
    preview.kind === 'ok' ? `gives ${preview.token} for ${request.token}` : `refuses ${request.token}`;
  if (request.orphan) {
    free(`the provider ${what}, nobody reads it`, () => atProvider(world)[0]);
    free(`a request with ${request.token} comes to nothing`, () => gone(world));
    return request.age >= response + linger;
  }
  free(`the provider ${what}`, () => answered(...atProvider(world)));
  fault('answer_lost', `the provider ${what}, the answer is lost`, (faulted) =>
    answered(atProvider(faulted)[0], { kind: 'unknown' }),
  );
  fault('request_lost', `the request with ${request.token} is lost`, (faulted) =>
    answered(gone(faulted), { kind: 'unknown' }),
  );
  fault('refusal', `the provider refuses ${request.token} in a form of its own`, (faulted) =>
    answered(gone(faulted), { kind: 'unrecognized' }),
  );
  fault('rate_limit', `the provider answers 429 to ${request.token}`, (faulted) =>
    answered(gone(faulted), { kind: 'rate_limited' }),
  );
  if (request.age >= response) {
    fault('slow', `the deadline of ${request.token} passes`, (faulted) =>
      answered(orphaned(faulted), { kind: 'unknown' }),
    );
  }
  return request.age >= response;
}
