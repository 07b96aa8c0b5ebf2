/** What the status page tells once after something was pressed: a word from a closed set, with the error's code and reason. */
export type Notice = 'renewed' | 'changed' | 'disconnected' | 'failed' | `failed.${string}`;

/** A cookie can be planted: its text only ever chooses between sentences of ours. */
export function isNotice(value: string | null): value is Notice {
  return value !== null && /^(?:renewed|changed|disconnected|failed(?:\.[a-z_]{1,40}){0,2})$/.test(value);
}
