import { execFile } from 'node:child_process';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { apiTransport } from './api-transport.ts';

const OLDER = Symbol.for('undici.globalDispatcher.1');
const usual: unknown = Reflect.get(globalThis, OLDER);
afterEach(() => void Reflect.set(globalThis, OLDER, usual));

/** What undici 6 and 7 ask of a handler. */
interface OlderHandler {
  onConnect(abort: () => void, context: null): void;
  onHeaders(status: number, headers: Buffer[], resume: () => void, text: string): boolean;
  onData(chunk: Buffer): boolean;
  onComplete(trailers: Buffer[]): void;
}

const CHUNKS = 8;
const CHUNK = Buffer.alloc(64 * 1024, 'x');

describe('a dispatcher that a program has set with an undici before version 8', () => {
  it('stays where it is when core is loaded', async () => {
    const file = new URL('./undici.ts', import.meta.url).href;
    const code = `
      const older = Symbol.for('undici.globalDispatcher.1');
      const proxy = { dispatch() {} };
      Object.defineProperty(globalThis, older, { value: proxy, writable: true });
      await import(${JSON.stringify(file)});
      console.log(globalThis[older] === proxy);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code]);
    expect(stdout.trim()).toBe('true');
  });

  it('is the way of a streamed upload, too, and is not hurried', async () => {
    let sent = '';
    let pauses = 0;
    const older = {
      dispatch(options: { readonly path: string; readonly body: Readable }, handler: OlderHandler): boolean {
        void (async () => {
          handler.onConnect(() => undefined, null);
          for await (const chunk of options.body) sent += String(chunk);
          let goOn = (): void => undefined;
          const headers = ['X-Two', 'a', 'x-two', 'b', 'Content-Type', 'text/plain'].map((one) =>
            Buffer.from(one),
          );
          handler.onHeaders(200, headers, () => goOn(), 'OK');
          for (let chunk = 0; chunk < CHUNKS; chunk += 1) {
            const resumed = Promise.withResolvers<void>();
            goOn = resumed.resolve;
            if (handler.onData(CHUNK)) continue;
            pauses += 1;
            await resumed.promise;
          }
          handler.onComplete([]);
        })();
        return true;
      },
    };
    Reflect.set(globalThis, OLDER, older);
    const transport = apiTransport('http://api.invalid/acme', {} as Parameters<typeof apiTransport>[1]);
    const response = await transport.fetch('http://api.invalid/acme/api/6/x', {
      method: 'PUT',
      body: new Blob(['streamed']).stream(),
    });
    expect([response.status, response.headers.get('x-two'), sent]).toEqual([200, 'a, b', 'streamed']);
    expect((await response.text()).length).toBe(CHUNKS * CHUNK.length);
    expect(pauses).toBeGreaterThan(1);
  });
});
