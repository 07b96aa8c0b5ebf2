import { parseStrictJson } from './token-response-json.ts';
import {
  errorWord,
  type NamedString,
  type ParsedTokenResponse,
  readMembers,
  refused,
} from './token-response-members.ts';
import { decodeText, sniff } from './token-response-text.ts';
import { parseStrictXml, type XmlElement } from './token-response-xml.ts';

export type { ParsedTokenResponse } from './token-response-members.ts';

/**
 * Reads a token response, whatever its content type says (F04). Never throws, and bounds its own cost: at most 64 KiB,
 * 32 levels, 1000 pieces of markup. The result holds secrets unless it is refused without a refresh token.
 */
export function parseTokenResponse(
  body: string | Uint8Array,
  contentType?: string | null,
): ParsedTokenResponse {
  const decoded = decodeText(body, contentType ?? '');
  if (!decoded.ok) return refused(decoded.problem);
  const parsed = readText(decoded.text, /^[ \t]*(?:text\/html|application\/xhtml)/i.test(contentType ?? ''));
  if (!decoded.byteOrderMark || parsed.kind !== 'ok') return parsed;
  const { response } = parsed;
  return { kind: 'ok', response: { ...response, anomalies: [...response.anomalies, 'byte_order_mark'] } };
}

/** Reads an object with the provider's member names, by the same rules. Never throws. */
export function parseTokenObject(object: Record<string, unknown>): ParsedTokenResponse {
  try {
    return readJsonValue(object);
  } catch {
    return refused('no_token');
  }
}

function readText(text: string, labelledHtml: boolean): ParsedTokenResponse {
  const kind = sniff(text);
  switch (kind) {
    case 'html':
      return refused('unexpected_html');
    case 'xml': {
      const parsed = parseStrictXml(text);
      if (!parsed.ok) {
        const unclear = labelledHtml && (parsed.problem === 'malformed_xml' || parsed.problem === 'too_deep');
        return refused(unclear ? 'unexpected_html' : parsed.problem);
      }
      const result = readXml(parsed.root);
      const page = labelledHtml && result.kind === 'refused' && result.problem === 'unexpected_root';
      return page && !result.holdsToken ? refused('unexpected_html') : result;
    }
    case 'json': {
      const parsed = parseStrictJson(text);
      return parsed.ok ? readJsonValue(parsed.value) : refused(parsed.problem);
    }
    case 'other':
      return refused(
        labelledHtml ? 'unexpected_html' : parseStrictJson(text).ok ? 'unexpected_root' : 'unknown_format',
      );
    default:
      return kind satisfies never;
  }
}

function readJsonValue(value: unknown): ParsedTokenResponse {
  return readMembers({
    format: 'json',
    members: new Map(typeof value === 'object' && value !== null ? Object.entries(value) : []),
    strings: jsonStrings(value),
    strangerProblem: 'unexpected_root',
  });
}

/** More values than 64 KiB of JSON can hold; an object that a caller hands in may refer to itself. */
const MAX_VALUES = 40_000;

function jsonStrings(value: unknown): NamedString[] {
  const found: NamedString[] = [];
  const queue: (readonly [name: string, value: unknown])[] = [['', value]];
  for (let at = 0; at < queue.length && at < MAX_VALUES; at += 1) {
    const [name, inner] = queue[at] ?? ['', null];
    if (typeof inner === 'string') found.push([name, inner]);
    if (typeof inner !== 'object' || inner === null) continue;
    for (const [key, item] of Object.entries(inner)) queue.push([Array.isArray(inner) ? name : key, item]);
  }
  return found;
}

function readXml(root: XmlElement): ParsedTokenResponse {
  const strings = xmlStrings(root);
  if (root.name !== 'TokenResponse') return readOtherRoot(root, strings);
  const members = new Map<string, unknown>();
  let repeated = false;
  for (const child of root.children) {
    repeated ||= members.has(child.name);
    members.set(child.name, child.children.length > 0 ? plain(child) : child.text);
  }
  const result = readMembers({ format: 'xml', members, strings, strangerProblem: 'access_token_missing' });
  if (!repeated) return result;
  return refused('malformed_xml', { holdsToken: result.kind === 'ok' || result.holdsToken });
}

/** Only a document of the right root is trusted with tokens; others may still be a refusal with a name. */
function readOtherRoot(root: XmlElement, strings: readonly NamedString[]): ParsedTokenResponse {
  const error = root.children.find((child) => child.name.toLowerCase() === 'error');
  if (error || /error$/i.test(root.name)) {
    const word = error ? errorWord(plain(error)) : null;
    return refused('error_document', {
      holdsToken: strings.some(([name, value]) => value !== '' && /token$/i.test(name)),
      error: word ?? errorWord(plain(root)),
    });
  }
  const inner = readMembers({
    format: 'xml',
    members: new Map(),
    strings,
    strangerProblem: 'unexpected_root',
  });
  return refused('unexpected_root', { holdsToken: inner.kind === 'refused' && inner.holdsToken });
}

/** An element as text, or as an object of its children's texts. */
function plain(element: XmlElement): unknown {
  if (element.children.length === 0) return element.text;
  return Object.fromEntries(element.children.map((child) => [child.name.toLowerCase(), child.text]));
}

function xmlStrings(element: XmlElement): NamedString[] {
  return [
    [element.name, element.text],
    ...element.attributes.filter(([name]) => !/^xmlns(?::|$)/.test(name)),
    ...element.children.flatMap(xmlStrings),
  ];
}
