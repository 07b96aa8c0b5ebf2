/** Everything of undici comes by here, so that loading it changes nothing for the program. */
import './dispatcher-before.ts';

import {
  Agent,
  buildConnector,
  Client,
  Dispatcher,
  getGlobalDispatcher,
  ProxyAgent,
  FormData as UndiciForm,
  fetch as undiciFetch,
  request as undiciRequest,
} from 'undici';
import { giveBack, olderDispatcher } from './dispatcher-before.ts';

giveBack();

export { Agent, buildConnector, Client, Dispatcher, ProxyAgent, UndiciForm, undiciFetch, undiciRequest };

/** As dispatchers of undici 6 and 7 are called. */
interface OlderHandler {
  onConnect(abort: (reason?: Error) => void, context: unknown): void;
  onHeaders(status: number, headers: readonly Buffer[], resume: () => void, text: string): boolean;
  onData(chunk: Buffer): boolean;
  onComplete(trailers: readonly Buffer[] | null): void;
  onError(error: Error): void;
}
interface Older {
  dispatch(options: Dispatcher.DispatchOptions, handler: OlderHandler): boolean;
}

/** The dispatcher that Node's own `fetch` goes by. */
export function programDispatcher(): Dispatcher {
  const current = getGlobalDispatcher();
  const older = olderDispatcher();
  // What version 8 puts there leads to its own.
  const leads = older instanceof Object && older.constructor.name === 'Dispatcher1Wrapper';
  return older === undefined || older === current || leads ? current : new ByOlder(older as Older);
}

class ByOlder extends Dispatcher {
  readonly #older: Older;

  constructor(older: Older) {
    super();
    this.#older = older;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    let end: (reason?: Error) => void = () => undefined;
    let goOn: () => void = () => undefined;
    const controller = {
      aborted: false,
      paused: false,
      reason: null as Error | null,
      abort(reason: Error): void {
        Object.assign(controller, { aborted: true, reason });
        end(reason);
      },
      pause(): void {
        controller.paused = true;
      },
      resume(): void {
        controller.paused = false;
        goOn();
      },
    };
    return this.#older.dispatch(options, {
      onConnect(abort, context) {
        end = abort;
        handler.onRequestStart?.(controller, context);
      },
      onHeaders(status, headers, resume, text) {
        goOn = resume;
        handler.onResponseStart?.(controller, status, membersOf(headers), text);
        return !controller.paused;
      },
      onData(chunk) {
        handler.onResponseData?.(controller, chunk);
        return !controller.paused;
      },
      onComplete: (trailers) => handler.onResponseEnd?.(controller, membersOf(trailers ?? [])),
      onError: (error) => handler.onResponseError?.(controller, error),
    });
  }
}

/** Names and values in turns. */
function membersOf(raw: readonly Buffer[]): Record<string, string | string[]> {
  const members = new Map<string, string | string[]>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = String(raw[at]).toLowerCase();
    const value = raw[at + 1]?.toString('latin1') ?? '';
    const known = members.get(name);
    members.set(name, known === undefined ? value : [known, value].flat());
  }
  return Object.fromEntries(members);
}
