import { once } from 'node:events';
import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

export interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Readable | Buffer | string;
  readonly agent?: Agent;
}

/** One bare request, to be ended by the caller: `fetch` would add headers, unpack, and hide what is asked about. */
export function start(url: string, { method = 'GET', headers = {}, agent }: Sent = {}): ClientRequest {
  const { origin, host } = new URL(url);
  // As it stands: a URL would normalize the path.
  const path = url.slice(origin.length);
  const [hostname, port] = host.split(':');
  return request({ hostname, port, path, method, headers, agent: agent ?? false });
}

/** The head of the answer; its body is still to come. */
export async function exchange(url: string, sent: Sent = {}): Promise<IncomingMessage> {
  const outgoing = start(url, sent);
  if (sent.body instanceof Readable) sent.body.pipe(outgoing);
  else outgoing.end(sent.body);
  return answerTo(outgoing);
}

export async function answerTo(outgoing: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return response;
}

export async function textOf(message: IncomingMessage): Promise<string> {
  return (await buffer(message)).toString('utf8');
}
