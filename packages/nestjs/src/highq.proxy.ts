import { ConfigurationError, NotConnectedError } from '@hq-oauth/core';
import { createProxy, type ProxyOptions } from '@hq-oauth/core/web';
import { bodyConsumed, type HighQReply, type HighQRequest, leaving, send, toRequest } from './highq.http.ts';
import type { MountedRoutes, Web } from './highq.mount.ts';

export interface HighQProxyOptions extends ProxyOptions {
  /** Where it is, as browsers see it: what follows goes to the API. @example '/highq-api' */
  readonly path: string;
}

/**
 * Passes calls on to the API with the visitor's token, and answers its own errors as the sign-in routes do.
 * @throws ConfigurationError for options that cannot be used
 */
export function proxyRoutes({ path, ...options }: HighQProxyOptions, web: Web): MountedRoutes {
  if (!/^\/[^?#]*[^/?#]$/.test(path)) {
    const problem = 'must be a path below the root, such as /highq-api';
    throw new ConfigurationError([{ option: 'proxy.path', problem }]);
  }
  const proxy = createProxy(options);

  async function answer(req: HighQRequest, res: HighQReply): Promise<Response> {
    const connection = await web.connection(req);
    if (connection === null) throw new NotConnectedError('Nobody is signed in to this application.');
    const consumed = bodyConsumed(req);
    const request = toRequest(req, { withBody: !consumed, signal: leaving(res) });
    return proxy(request, { connection, mountPath: path, bodyConsumed: consumed });
  }

  return {
    paths: [path, `${path}/*`],
    owns: (asked) => asked === path || asked.startsWith(`${path}/`),
    async serve(req, res) {
      try {
        await send(res, await answer(req, res));
      } catch (error) {
        const response = await web.problem(error, toRequest(req, { withBody: false }), req);
        if (response === null) throw error;
        await send(res, response);
      }
    },
  };
}
