import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ClockServer extends AsyncDisposable {
  readonly url: string;
  /** What is answered; change it to move the clock. */
  reading: unknown;
  status: number;
  readonly requests: number;
  /** While set, answers wait for `release`. */
  hold: boolean;
  release(): void;
  /** Resolves when `count` requests have come in. */
  received(count: number): Promise<void>;
}

/** A real server that answers as an emulator's `GET /_emulator/clock`. */
export async function clockServer(reading: unknown): Promise<ClockServer> {
  let requests = 0;
  const held: (() => void)[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const server = createServer((request, response: ServerResponse) => {
    requests += 1;
    for (const { count, resolve } of waiting) if (requests >= count) resolve();
    // The reading is taken when the request comes in, as a real clock would.
    const [body, status] = [JSON.stringify(fixture.reading), fixture.status];
    const answer = (): void => {
      response.writeHead(request.url === '/_emulator/clock' ? status : 404, {
        'content-type': 'application/json',
      });
      response.end(body);
    };
    if (fixture.hold) held.push(answer);
    else answer();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const fixture: ClockServer = {
    url: `http://127.0.0.1:${port}/_emulator/clock`,
    reading,
    status: 200,
    hold: false,
    get requests() {
      return requests;
    },
    release() {
      fixture.hold = false;
      for (const answer of held.splice(0)) answer();
    },
    received: (count) =>
      new Promise((resolve) => {
        if (requests >= count) resolve();
        else waiting.push({ count, resolve });
      }),
    async [Symbol.asyncDispose]() {
      fixture.release();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fixture;
}
