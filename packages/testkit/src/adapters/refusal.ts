import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { isHighQError } from '@hq-oauth/core';
import type { Bench, OpenOptions } from './bench.ts';

/**
 * What a host says to a set-up that cannot work: it refuses to start, or its first request ends in a ConfigurationError
 * where a framework knows only then what is mounted together. Empty, if it says nothing.
 */
export async function refusalOf(bench: Bench, options: OpenOptions): Promise<string> {
  const made: string[] = [];
  const note = (error: unknown): void => {
    if (isHighQError(error) && error.code === 'configuration') made.push(error.message);
  };
  // An answer keeps to itself what is wrong inside; the error does not.
  subscribe('hq-oauth:error', note);
  try {
    const app = await bench.open(options);
    const answer = await app.ask('/');
    const body = await answer.text();
    return answer.status === 500 && body.includes('"configuration"') ? made.join('\n') : '';
  } catch (error) {
    if (isHighQError(error) && error.code === 'configuration') return error.message;
    throw error;
  } finally {
    unsubscribe('hq-oauth:error', note);
  }
}
