import { getCACertificates } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent, fetch as undiciFetch } from 'undici';
import type { ResolvedOptions } from './options.ts';

/** How API calls reach the instance: Node's own `fetch`, or one that goes through the firm's proxy and trusts its CA. */
export interface ApiTransport {
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

const NO_BODY = new Set([101, 103, 204, 205, 304]);

export function apiTransport({ proxy, ca }: ResolvedOptions['http']): ApiTransport {
  if (proxy === undefined && ca === undefined) {
    return { fetch: (input, init) => fetch(input, init), close: async () => undefined };
  }
  // Beside the usual authorities, as for token requests.
  const tls = ca === undefined ? {} : { ca: [...getCACertificates('default'), ...ca] };
  const dispatcher: Dispatcher = proxy
    ? new ProxyAgent({ uri: proxy, requestTls: tls, proxyTls: tls, proxyTunnel: true })
    : new Agent({ connect: tls });
  return {
    async fetch(input, init) {
      const request = new Request(input, init);
      const { url, method, body, signal, redirect } = request;
      const response = await undiciFetch(url, {
        method,
        headers: [...request.headers],
        redirect,
        signal,
        dispatcher,
        ...(body === null ? {} : { body, duplex: 'half' as const }),
      });
      // Of the same class as any other answer, so that `instanceof Response` holds for whoever asks.
      const { status, statusText } = response;
      const headers = [...response.headers] as [string, string][];
      return new Response(NO_BODY.has(status) ? null : response.body, { status, statusText, headers });
    },
    // Not waited for: an answer that its reader left unread would never let it end.
    close: async () => void dispatcher.close().catch(() => undefined),
  };
}
