import { toProviderJson, toXml, type XmlValue } from './xml.ts';

export type Format = 'xml' | 'json';

interface Preference {
  xml: number;
  json: number;
}

function preferences(accept: string): Preference {
  const found: Preference = { xml: 0, json: 0 };
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const quality = weight ? Number(weight.slice(2)) || 0 : 1;
    if (type === 'application/json' || type.endsWith('+json')) found.json = Math.max(found.json, quality);
    if (type === 'application/xml' || type === 'text/xml') found.xml = Math.max(found.xml, quality);
  }
  return found;
}

/** The format that an `Accept` header asks for; `otherwise` when it names neither, or both alike. */
export function formatFor(accept: string | null, otherwise: Format): Format {
  const { xml, json } = preferences(accept ?? '');
  if (xml === json) return otherwise;
  return json > xml ? 'json' : 'xml';
}

const NEVER_STORED = { 'cache-control': 'no-store', pragma: 'no-cache' };

export function xmlResponse(status: number, root: string, value: XmlValue): Response {
  const headers = { ...NEVER_STORED, 'content-type': 'application/xml;charset=UTF-8' };
  return new Response(toXml(root, value), { status, headers });
}

export function jsonResponse(status: number, value: unknown): Response {
  const headers = { ...NEVER_STORED, 'content-type': 'application/json;charset=UTF-8' };
  return new Response(JSON.stringify(value), { status, headers });
}

/** XML under `root`, or the members of `value` as a JSON object. */
export function formatted(status: number, format: Format, root: string, value: XmlValue): Response {
  return format === 'xml' ? xmlResponse(status, root, value) : jsonResponse(status, toProviderJson(value));
}

/** An HTML page that loads nothing and cannot be framed. */
export function pageResponse(
  status: number,
  page: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(page, {
    status,
    headers: {
      ...NEVER_STORED,
      'content-type': 'text/html;charset=UTF-8',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
      // `no-referrer` would turn the Origin of the page's own forms into `null`.
      'referrer-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
  });
}

export function redirectResponse(location: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(null, {
    status: 303,
    headers: { ...NEVER_STORED, location, 'referrer-policy': 'no-referrer', ...headers },
  });
}
