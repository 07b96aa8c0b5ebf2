import { Socket } from 'node:net';
import { getCACertificates } from 'node:tls';
import { buildConnector, Client, type Dispatcher } from './undici.ts';

/** Why no connection could be had. Nothing was sent. */
export type ConnectFailure =
  /** Not up within the connect deadline. */
  | 'timeout'
  /** The name has no address. */
  | 'dns'
  /** Nobody listens there, or the way is blocked. */
  | 'unreachable'
  /** The certificate or the handshake was refused. */
  | 'tls'
  /** The proxy refused to connect through. */
  | 'proxy'
  /** The client secret could not be fetched. */
  | 'secret_unavailable'
  /** The endpoint is closing. */
  | 'closing';

/** Carries no cause: an error of the network may quote a proxy's credentials, one of a secret source the secret. */
export class ConnectFailedError extends Error {
  override readonly name = 'ConnectFailedError';
  readonly reason: ConnectFailure;
  /** The system's code, like `ECONNREFUSED` or `CERT_HAS_EXPIRED`. */
  readonly code: string | null;

  constructor(reason: ConnectFailure, code: string | null = null) {
    super(`no connection to the token endpoint: ${reason}${code === null ? '' : ` (${code})`}`);
    this.reason = reason;
    this.code = code;
  }
}

export type CertificateAuthorities = string | Buffer | readonly (string | Buffer)[];

export interface DialOptions {
  readonly url: URL;
  readonly proxy: string | undefined;
  readonly ca: CertificateAuthorities | undefined;
  /** Destroys whatever is open when it aborts, also a socket that was just handed over. */
  readonly signal: AbortSignal;
}

/**
 * Opens TCP, the proxy's tunnel if there is one, and TLS. Sets no timer: the caller's clock decides how long.
 * @throws ConnectFailedError
 */
export async function dial(options: DialOptions): Promise<Socket> {
  const { url, proxy } = options;
  if (proxy === undefined) return connectTo(url, options);
  const tunnel = await openTunnel(new URL(proxy), options);
  return url.protocol === 'https:' ? connectTo(url, options, tunnel) : tunnel;
}

function connectTo(url: URL, options: DialOptions, httpSocket?: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (options.signal.aborted) return reject(new ConnectFailedError('closing'));
    // The types know nothing of it, but the socket is what the connector returns.
    const socket: unknown = connectorFor(options.ca)(
      {
        hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
        host: url.host,
        protocol: url.protocol,
        port: url.port,
        ...(httpSocket ? { httpSocket } : {}),
      },
      (error, connected) => (connected ? resolve(connected) : reject(failureOf(error))),
    );
    if (socket instanceof Socket) {
      options.signal.addEventListener('abort', () => socket.destroy(), { once: true });
      // A socket that fails later, or is destroyed while it waits, must not end the process.
      socket.on('error', () => {});
      socket.once('close', () => reject(new ConnectFailedError('unreachable')));
    }
  });
}

/** HTTP/1.1 only, nothing resumed, no timer, and one's own authorities beside the usual ones. */
function connectorFor(ca: CertificateAuthorities | undefined): buildConnector.connector {
  const own = ca === undefined ? [] : typeof ca === 'string' || Buffer.isBuffer(ca) ? [ca] : ca;
  return buildConnector({
    allowH2: false,
    maxCachedSessions: 0,
    timeout: 0,
    ...(own.length > 0 ? { ca: [...getCACertificates('default'), ...own] } : {}),
  });
}

async function openTunnel(proxy: URL, options: DialOptions): Promise<Socket> {
  const { url } = options;
  const authority = `${url.hostname}:${url.port || (url.protocol === 'https:' ? '443' : '80')}`;
  const client = new Client(proxy.origin, {
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect(_options, callback) {
      connectTo(proxy, options).then(
        (socket) => callback(null, socket),
        (error: unknown) => callback(failureOf(error), null),
      );
    },
  });
  const credentials = proxy.username || proxy.password ? basic(proxy) : {};
  let answer: Dispatcher.ConnectData;
  try {
    answer = await client.connect({ path: authority, headers: { host: authority, ...credentials } });
  } catch (error) {
    throw error instanceof ConnectFailedError ? error : new ConnectFailedError('proxy', codeOf(error));
  }
  const { socket, statusCode } = answer;
  if (statusCode >= 200 && statusCode < 300 && socket instanceof Socket) {
    socket.on('error', () => {});
    return socket;
  }
  socket.on('error', () => {}).destroy();
  throw new ConnectFailedError('proxy', String(statusCode));
}

function basic(proxy: URL): { 'proxy-authorization': string } {
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

function codeOf(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' && /^[A-Z0-9_]{1,64}$/.test(code) ? code : null;
}

function failureOf(error: unknown): ConnectFailedError {
  if (error instanceof ConnectFailedError) return error;
  const code = codeOf(error);
  if (code === null) return new ConnectFailedError('unreachable');
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return new ConnectFailedError('dns', code);
  if (code === 'ETIMEDOUT') return new ConnectFailedError('timeout', code);
  const tls = /CERT|SSL|TLS|SIGNATURE|SELF_SIGNED|ISSUER|EPROTO/.test(code);
  return new ConnectFailedError(tls ? 'tls' : 'unreachable', code);
}
