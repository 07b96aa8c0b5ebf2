/** `docs/errors.md`, up to the `#`: one of its headings follows. */
export const ERRORS_PAGE = 'https://github.com/hq-oauth/hq-oauth/blob/main/docs/errors.md#';
