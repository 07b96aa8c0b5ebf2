import { isHighQError } from '@hq-oauth/core';

/** A page about an error that hq-oauth has no answer for. */
export interface Failure {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  /** For the program's log. HighQ's answers are named by their status: what they hold is the client's. */
  readonly log: unknown;
}

export function failureOf(error: unknown): Failure {
  const status = statusFromHighQ(error);
  if (status === 404) {
    const text = 'HighQ does not know what you asked for.';
    return { status: 404, title: 'Not found', text, log: 'HighQ answered 404' };
  }
  const title = 'Something went wrong';
  if (status !== null) {
    const text = `HighQ answered with an error (${status}). Try again in a moment.`;
    return { status: 502, title, text, log: `HighQ answered ${status}` };
  }
  return { status: 500, title, text: 'This program failed. Its log says how.', log: error };
}

/** The status of an answer of HighQ's API that the client threw; `null` for any other error. */
export function statusFromHighQ(error: unknown): number | null {
  if (isHighQError(error) || !(error instanceof Error) || error.name !== 'HTTPError') return null;
  return 'response' in error && error.response instanceof Response ? error.response.status : null;
}
