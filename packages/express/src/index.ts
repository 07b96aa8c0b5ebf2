import './augment.ts';

export { type HighQOptions, highq, highqErrors, highqHealth, requireHighQ } from './middleware.ts';
