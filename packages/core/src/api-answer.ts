import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { ApiRequestError, PermissionDeniedError } from './errors.ts';
import { decodeEntities } from './token-response-xml.ts';

/** What one answer may weigh, bytes, before it is taken apart. */
const LARGEST_ANSWER_BYTES = 32 * 1024 * 1024;
/** Of an error's answer, so much is looked at. */
const LARGEST_ERROR_BYTES = 64 * 1024;
const LONGEST_MESSAGE = 300;

/** As in JSON, values stay text; attributes are members like any other. */
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '',
  textNodeName: 'value',
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  tagValueProcessor: (_name, value) => decodeEntities(value),
  attributeValueProcessor: (_name, value) => decodeEntities(value),
  ignoreDeclaration: true,
  ignorePiTags: true,
});

/** One item comes as an object and several as a list: this makes a list of either, and an empty one of nothing. */
export function asList<T>(value: T | readonly T[] | null | undefined): readonly T[] {
  if (value === null || value === undefined || value === '') return [];
  return Array.isArray(value) ? value : [value as T];
}

/**
 * What an API answer holds: JSON as it stands; of XML the content of the root element, with attributes as members.
 * All XML values are text. An empty answer is `null`.
 *
 * @throws PermissionDeniedError, ApiRequestError with the API's own message when the answer is not a success, and
 * ApiRequestError when it cannot be read
 */
export async function readAnswer<T = unknown>(response: Response): Promise<T> {
  if (!response.ok) throw await answerError(response);
  const text = await textOf(response, LARGEST_ANSWER_BYTES);
  if (text === null) throw unreadable(response, 'is larger than 32 MiB: read it as a stream');
  if (text.trim() === '') return null as T;
  const value = parsed(text);
  if (value === undefined) throw unreadable(response, 'is neither JSON nor XML');
  return value as T;
}

/** The error for an answer that is no success. Takes the body. */
export async function answerError(
  response: Response,
  connectionId?: string,
): Promise<PermissionDeniedError | ApiRequestError> {
  if (response.status === 403) return permissionDenied(response, connectionId);
  const apiMessage = await messageIn(response);
  const said = apiMessage ? `: ${apiMessage}` : '.';
  return new ApiRequestError(`The API answered ${response.status}${said}`, {
    connectionId,
    apiStatus: response.status,
    apiMessage,
  });
}

export async function permissionDenied(
  response: Response,
  connectionId?: string,
): Promise<PermissionDeniedError> {
  const apiMessage = await messageIn(response);
  const said = apiMessage ? ` It says: ${apiMessage}` : '';
  return new PermissionDeniedError(`The API denies this call to this user; its token is good.${said}`, {
    connectionId,
    apiMessage,
  });
}

function unreadable(response: Response, why: string): ApiRequestError {
  return new ApiRequestError(`The API's answer ${why}.`, { apiStatus: response.status, apiMessage: null });
}

/** The API's own words, where it has any. */
async function messageIn(response: Response): Promise<string | null> {
  const text = await textOf(response, LARGEST_ERROR_BYTES).catch(() => null);
  const value = text === null ? undefined : parsed(text);
  const message =
    typeof value === 'object' && value !== null ? found(value as Record<string, unknown>) : null;
  return message === null ? null : message.replace(/\s+/g, ' ').trim().slice(0, LONGEST_MESSAGE) || null;
}

const MESSAGE_NAMES = ['message', 'error_description', 'errormessage', 'description', 'reason', 'error'];

function found(value: Record<string, unknown>, depth = 0): string | null {
  const members = Object.entries(value);
  for (const wanted of MESSAGE_NAMES) {
    const [, member] = members.find(([name]) => name.toLowerCase() === wanted) ?? [];
    if (typeof member === 'string' && member.trim() !== '') return member;
  }
  if (depth > 2) return null;
  for (const [, member] of members) {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) continue;
    const inner = found(member as Record<string, unknown>, depth + 1);
    if (inner !== null) return inner;
  }
  return null;
}

/** `undefined`: it is neither. By its first character: the content type is not always right. */
function parsed(text: string): unknown {
  const start = text.trimStart().replace(/^\uFEFF/, '');
  if (start.startsWith('<')) return parsedXml(start);
  try {
    return JSON.parse(start, (name, value: unknown) => (name === '__proto__' ? undefined : value));
  } catch {
    return undefined;
  }
}

function parsedXml(text: string): unknown {
  // No document type: what it can define costs time or reaches out (F99).
  if (/<!(?:doctype|entity)/i.test(text) || XMLValidator.validate(text) !== true) return undefined;
  try {
    const roots = Object.values(parser.parse(text) as Record<string, unknown>);
    return roots.length === 1 ? roots[0] : undefined;
  } catch {
    return undefined;
  }
}

/** `null`: it is longer than that; the rest is not read. */
async function textOf(response: Response, mostBytes: number): Promise<string | null> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  if (response.body === null) return text;
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (bytes > mostBytes) return null;
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
