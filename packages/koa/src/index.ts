import './augment.ts';

export { scrubUrl } from '@hq-oauth/core/web';
export { type HighQOptions, highq, highqErrors, highqHealth, requireHighQ } from './middleware.ts';
