export { type FirmConfig, readFirmConfig } from './config.ts';
export { type Failure, failureOf, statusFromHighQ } from './failure.ts';
export { FIRM_USERS, type FirmUser, firmUser, signedInAs } from './firm-users.ts';
export {
  lookUp,
  type Matter,
  matters,
  type Person,
  type Sheet,
  type SheetPage,
  sheetPage,
  sheets,
} from './highq-api.ts';
export { offsetIn, PAGE_HEADERS, pathIn, sentFromHere } from './requests.ts';
export { type SessionOptions, type SignedSession, signedSession } from './session.ts';
export { Settings } from './settings.ts';
export { connectionView } from './views/connection.ts';
export { failureView } from './views/failure.ts';
export { type Html, html } from './views/html.ts';
export { type Frame, layout, type Section } from './views/layout.ts';
export { loginView } from './views/login.ts';
export { mattersView, matterView, sheetView } from './views/matters.ts';
export { peopleView } from './views/people.ts';
export { STYLE } from './views/style.ts';
