export { findingsOn } from './accessibility.fixture.ts';
export { appWalk } from './app-walk.fixture.ts';
export { browserWalk } from './browser-walk.fixture.ts';
export { inChromium, withoutChromium } from './chromium.fixture.ts';
export { httpTo } from './http.fixture.ts';
export {
  closeServer,
  freePort,
  managerOptions,
  type RunningExample,
  type StartExample,
  startEmulator,
} from './running-example.fixture.ts';
export { refusesToStart, type ServerWalkOptions, serverWalk } from './server-walk.fixture.ts';
