/** Something the emulator will not do, with the HTTP status that its control surface answers. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly status: 400 | 404 | 409;

  constructor(message: string, status: 400 | 404 | 409 = 400) {
    super(message);
    this.status = status;
  }
}

export type JsonObject = { readonly [member: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Throws {@link RefusedError} when `value` has a member outside `known`: a typing error must not pass in silence. */
export function refuseUnknownMembers(value: JsonObject, known: readonly string[], what: string): void {
  const unknown = Object.keys(value).filter((member) => !known.includes(member));
  if (unknown.length > 0) {
    throw new RefusedError(`${what}: unknown ${unknown.join(', ')}; known are ${known.join(', ')}`);
  }
}
