import {
  type CustomDecorator,
  createParamDecorator,
  type ExecutionContext,
  Inject,
  SetMetadata,
} from '@nestjs/common';
import { connectionFor } from './highq.mount.ts';

export const DEFAULT_NAME = 'default';
export const ALLOW_DISCONNECTED = 'hq-oauth:allow-disconnected';

/** What a manager is injected by: for `useFactory`, and to put another in its place in a test. */
export function getHighQToken(name: string = DEFAULT_NAME): string {
  return `hq-oauth:manager:${name}`;
}

/**
 * Injects the `TokenManager` of the module of this name; where its `manager` is a function of the request, that function.
 * @example constructor(@InjectHighQ() manager: TokenManager) {}
 */
export function InjectHighQ(name?: string): PropertyDecorator & ParameterDecorator {
  return Inject(getHighQToken(name));
}

const connectionOfRequest = createParamDecorator((name: string, context: ExecutionContext) =>
  connectionFor(context, name),
);

/**
 * The visitor's `Connection`. Behind `HighQGuard` it is always there; elsewhere it is `null` for an anonymous visitor.
 * @example sites(@HighQ() highq: Connection) { return highq.client('6/sites').json(); }
 */
export function HighQ(name: string = DEFAULT_NAME): ParameterDecorator {
  return connectionOfRequest(name);
}

/** On a controller or a handler: `HighQGuard` lets visitors in who are not connected, and anonymous ones, too. */
export function AllowDisconnected(): CustomDecorator {
  return SetMetadata(ALLOW_DISCONNECTED, true);
}
