import { ConfigurationError, StoreUnavailableError } from '@hq-oauth/core';

const SERIALIZATION_FAILURE = '40001';
const DEADLOCK = '40P01';
const LOCK_NOT_AVAILABLE = '55P03';
const QUERY_CANCELED = '57014';
const READ_ONLY = '25006';
const FAILED_TRANSACTION = '25P02';
const NO_RIGHT = '42501';
const DISK_FULL = '53100';
const TOO_MANY_CONNECTIONS = '53300';
const UNDEFINED_TABLE = '42P01';
const UNDEFINED_SCHEMA = '3F000';

/** Statements that no transaction block of ours surrounds: who is told so knows that nothing was written. */
export function isRolledBack(error: unknown): boolean {
  const code = sqlState(error);
  return code === SERIALIZATION_FAILURE || code === DEADLOCK;
}

export function isMissingTable(error: unknown): boolean {
  const code = sqlState(error);
  return code === UNDEFINED_TABLE || code === UNDEFINED_SCHEMA;
}

/** Whether the server itself refused, over a connection that can be used again. */
export function isAnswer(error: unknown): boolean {
  // With FATAL the server, or the proxy before it, says goodbye. The word itself may be translated, the field `severity` is not.
  const code = sqlState(error);
  // In a transaction that somebody has left open, and in which something has failed: it would refuse everything from now on.
  if (code === null || code === FAILED_TRANSACTION) return false;
  return (error as { severity?: unknown }).severity === 'ERROR';
}

/** The five characters that PostgreSQL sends with an error; `null`: it did not come from PostgreSQL. */
function sqlState(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return typeof code === 'string' && typeof severity === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null;
}

export function notMigrated(schema: string, problem: string): ConfigurationError {
  return new ConfigurationError([
    {
      option: 'store.schema',
      problem: `${problem} in the schema ${schema}. Run \`await store.migrate()\` once when you deploy.`,
    },
  ]);
}

/**
 * What callers get. The driver's own error is not its cause: PostgreSQL adds the values of a row or of parameters in
 * `detail` and `where`.
 */
export function unavailable(error: unknown): StoreUnavailableError {
  const message = messageOf(error);
  const code = sqlState(error);
  return new StoreUnavailableError(`The PostgreSQL store did not answer: ${explain(code, message)}`, {
    cause: new Error(code === null ? message : `${code}: ${message}`),
  });
}

/** Where a name has several addresses, and none of them can be reached, Node says so without a message of its own. */
function messageOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError && error.message === '' ? error.errors[0] : error;
  return first instanceof Error ? first.message || first.name : 'unknown error';
}

function explain(code: string | null, message: string): string {
  switch (code) {
    case SERIALIZATION_FAILURE:
    case DEADLOCK:
      return 'other transactions kept getting in the way. Nothing was written.';
    case LOCK_NOT_AVAILABLE:
      return 'another transaction keeps the row or the table locked. End it; nothing was written.';
    case QUERY_CANCELED:
      return 'the statement was cancelled, by somebody or by statement_timeout.';
    case READ_ONLY:
      return 'this server takes no writes: a standby, or set to read only. Connect to the primary.';
    case NO_RIGHT:
      return `its user lacks a right (${message}).`;
    case DISK_FULL:
      return 'its disk is full. Free some space.';
    case TOO_MANY_CONNECTIONS:
      return 'it has no connection left. Lower the sizes of the pools, or raise max_connections.';
    default:
      return message;
  }
}
