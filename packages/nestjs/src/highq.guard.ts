import { NotConnectedError } from '@hq-oauth/core';
import { type CanActivate, type ExecutionContext, Injectable, type Type } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { ALLOW_DISCONNECTED, DEFAULT_NAME } from './highq.decorators.ts';
import { webFor } from './highq.mount.ts';

const reflector = new Reflector();

/**
 * Lets in whoever has a connection with a valid access token, which it renews if it must; else throws what a call would:
 * `NotConnectedError`, `ReauthorizationRequiredError`, or that HighQ is out of reach. Put it after the guard that says
 * who the visitor is.
 * @example @UseGuards(HighQGuard)
 * @example @UseGuards(HighQGuard.for('client')) // the module of this name
 */
@Injectable()
export class HighQGuard implements CanActivate {
  protected readonly moduleName: string = DEFAULT_NAME;

  static for(name: string): Type<HighQGuard> {
    @Injectable()
    class NamedHighQGuard extends HighQGuard {
      protected override readonly moduleName = name;
    }
    return NamedHighQGuard;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const places = [context.getHandler(), context.getClass()];
    if (reflector.getAllAndOverride<boolean | undefined>(ALLOW_DISCONNECTED, places) === true) return true;
    const { web, req } = webFor(context, this.moduleName);
    const connection = await web.connection(req);
    if (connection === null) throw new NotConnectedError('Nobody is signed in to this application.');
    await connection.getAccessToken();
    return true;
  }
}
