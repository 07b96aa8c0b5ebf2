import { textOf } from './api-text.ts';
import { readXml } from './api-xml.ts';
import { systemClock } from './clock.ts';
import { ApiRequestError, PermissionDeniedError } from './errors.ts';

/** What one answer may weigh, bytes, before it is taken apart. */
const LARGEST_ANSWER_BYTES = 32 * 1024 * 1024;
/** Of an error's answer, so much is looked at. */
const LARGEST_ERROR_BYTES = 64 * 1024;
const LONGEST_MESSAGE = 300;

/** One item comes as an object and several as a list: this makes a list of either, and an empty one of nothing. */
export function asList<T>(value: T | readonly T[] | null | undefined): readonly T[] {
  if (value === null || value === undefined || value === '') return [];
  return Array.isArray(value) ? value : [value as T];
}

/**
 * What an API answer holds: JSON as it stands; of XML the content of the root element, with attributes and elements as
 * members, several of one name as a list. All XML values are text; the text of an element that has members, too, is its
 * member `value`. An empty answer is `null`.
 *
 * @throws PermissionDeniedError, ApiRequestError with the API's own message when the answer is not a success, and
 * ApiRequestError when it cannot be read
 */
export async function readAnswer<T = unknown>(response: Response): Promise<T> {
  if (!response.ok) throw await answerError(response);
  const { text, problem } = await textOf(response, LARGEST_ANSWER_BYTES);
  if (problem === 'too_long') throw unreadable(response, 'is larger than 32 MiB: read it as a stream');
  if (text === null) throw unreadable(response, 'is not in the encoding that it names, or in UTF-8');
  if (text.trim() === '') return null as T;
  const value = await parsed(text);
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
  return new PermissionDeniedError(`The API denies this call to this user.${said}`, {
    connectionId,
    apiMessage,
  });
}

function unreadable(response: Response, why: string): ApiRequestError {
  return new ApiRequestError(`The API's answer ${why}.`, { apiStatus: response.status, apiMessage: null });
}

/** The API's own words, where it has any. */
async function messageIn(response: Response): Promise<string | null> {
  const { text } = await textOf(response, LARGEST_ERROR_BYTES).catch(() => ({ text: null }));
  const value = text === null ? undefined : await parsed(text);
  const message =
    typeof value === 'object' && value !== null ? found(value as Record<string, unknown>) : null;
  return message === null ? null : message.replace(/\s+/g, ' ').trim().slice(0, LONGEST_MESSAGE) || null;
}

const MESSAGE_NAMES = ['message', 'error_description', 'errormessage', 'description', 'reason', 'error'];

function found(value: Record<string, unknown>, depth = 0): string | null {
  const members = Object.entries(value);
  for (const wanted of MESSAGE_NAMES) {
    const [, member] = members.find(([name]) => name.toLowerCase() === wanted) ?? [];
    const first: unknown = Array.isArray(member) ? member[0] : member;
    if (typeof first === 'string' && first.trim() !== '') return first;
  }
  if (depth > 2) return null;
  for (const [, member] of members) {
    if (typeof member !== 'object' || member === null) continue;
    const inner = found(member as Record<string, unknown>, depth + 1);
    if (inner !== null) return inner;
  }
  return null;
}

/** `undefined`: it is neither. By its first character: the content type is not always right. */
async function parsed(text: string): Promise<unknown> {
  const start = text.trimStart().replace(/^\uFEFF/, '');
  try {
    if (!start.startsWith('<')) {
      return JSON.parse(start, (name, value: unknown) => (name === '__proto__' ? undefined : value));
    }
    const reading = readXml(start);
    for (;;) {
      const step = reading.next();
      if (step.done) return step.value;
      // A large answer is not the only thing that this process has to do.
      await new Promise<void>((resolve) => systemClock.afterIo(resolve));
    }
  } catch {
    return undefined;
  }
}
