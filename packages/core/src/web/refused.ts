import { HighQError, type HighQErrorOptions } from '../errors.ts';

export type RefusalReason = 'cross_site' | 'not_authorized';

/** A request to one of the sign-in routes, or to the status page, that may not be served to this visitor or from that page. */
export class RouteRefusedError extends HighQError {
  override readonly name = 'RouteRefusedError';
  override readonly code = 'route_refused';
  override readonly status = 403;
  override readonly retryable = false;
  readonly reason: RefusalReason;

  constructor(message: string, options: HighQErrorOptions & { readonly reason: RefusalReason }) {
    super(message, options);
    this.reason = options.reason;
  }
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), reason: this.reason };
  }
}
