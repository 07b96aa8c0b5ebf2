import { TokenEndpointError } from './errors.ts';
import { safeError } from './redact.ts';

/** What is wrong with a client id or secret, without showing it; `null`: nothing. */
export function credentialProblem(value: string): string | null {
  if (value === '') return 'is empty';
  if (/[\r\n]/.test(value)) return 'holds a line break (often the last character of a file): remove it';
  if (value.trim() !== value) return 'begins or ends with white space: remove it';
  if (/[^\x20-\x7e]/.test(value)) return 'holds a character outside printable ASCII';
  return null;
}

/**
 * One way to the secret, fixed or fetched. What a function throws is not passed on but for its name and code: its
 * message may well quote the secret.
 */
export function secretSource(secret: string | (() => string | Promise<string>)): () => Promise<string> {
  if (typeof secret === 'string') return async () => secret;
  return async () => {
    let value: unknown;
    try {
      value = await secret();
    } catch (error) {
      const { name, code } = safeError(error);
      throw new TokenEndpointError(
        `The \`clientSecret\` function failed (${code ? `${name}, ${code}` : name}). Nothing was sent.`,
        { reason: 'client_secret_unavailable' },
      );
    }
    const problem = typeof value === 'string' ? credentialProblem(value) : 'is not a string';
    if (typeof value !== 'string' || problem) {
      throw new TokenEndpointError(
        `What the \`clientSecret\` function returned cannot be used: it ${problem}. Nothing was sent.`,
        { reason: 'client_secret_unusable' },
      );
    }
    return value;
  };
}
