export { ADAPTER_BEHAVIOURS, adapterSuite } from './adapter-suite.ts';
export { userOf } from './bench.ts';
export {
  type AdapterHost,
  type HostMount,
  type HostProxy,
  type HostRoute,
  type HostSetup,
  optionsFor,
  type RunningHost,
  type Visitor,
  visitorOfHeaders,
} from './host.ts';
export { type Answer, HttpBrowser, hiddenFields } from './http-browser.ts';
export { type Served, serveConnected } from './served.ts';
