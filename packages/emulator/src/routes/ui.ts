import type { Hono } from 'hono';
import type { Env } from '../exchange.ts';
import { redirectResponse } from '../respond.ts';
import type { World } from '../world.ts';

export function uiRoutes(app: Hono<Env>, _world: World): void {
  app.get('/', () => redirectResponse('/_emulator/ui'));
}
