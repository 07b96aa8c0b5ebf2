export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** The documented limits of a registration's token expiration. A month is at most 31 days. */
export const SHORTEST_ACCESS_LIFE_MS = 30 * MINUTE_MS;
export const LONGEST_ACCESS_LIFE_MS = 31 * DAY_MS;
export const CODE_LIFE_MS = 30 * MINUTE_MS;
export const REFRESH_LIFE_MS = 365 * DAY_MS;
