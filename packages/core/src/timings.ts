/** Durations of the refresh protocol, milliseconds. Their order matters, so they only scale together. */
export interface Timings {
  /** For TCP and TLS to the token endpoint. */
  readonly connectMs: number;
  /** For the answer, once a byte may have left. */
  readonly responseMs: number;
  /** How long the provider may go on with a request whose client is gone. */
  readonly lingerMs: number;
  /** For the first durable write. */
  readonly persistBudgetMs: number;
  /** Life of an intent. More than response, linger and persist together. */
  readonly leaseMs: number;
  /** An announced probe waits this long before it is sent. */
  readonly settleMs: number;
  /** How much an announcement outlives its settle time. */
  readonly announceSlackMs: number;
  /** How often a settling prober and a waiter read the record. */
  readonly pollMs: number;
  /** Upper bound of the distance between two attempts to persist a pair in hand. */
  readonly persistRetryMs: number;
  /** First distance between two probes, doubled with each, up to `probeMaxMs`. */
  readonly probeMs: number;
  readonly probeMaxMs: number;
  /** After a refusal that nobody recognizes. */
  readonly unrecognizedMs: number;
  /** First back-off after a request that was not sent, doubled with each, up to `backoffMaxMs`. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
}

const DEFAULTS: Timings = {
  connectMs: 5_000,
  responseMs: 90_000,
  lingerMs: 60_000,
  persistBudgetMs: 10_000,
  leaseMs: 180_000,
  settleMs: 5_000,
  announceSlackMs: 10_000,
  pollMs: 1_000,
  persistRetryMs: 2_000,
  probeMs: 60_000,
  probeMaxMs: 3_600_000,
  unrecognizedMs: 20 * 60_000,
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
};

/** All timings under one scale: 1 in production, less in tests, where the ratios must stay. */
export function timings(timeScale = 1): Timings {
  const scaled: Record<keyof Timings, number> = { ...DEFAULTS };
  for (const name of Object.keys(scaled) as (keyof Timings)[]) scaled[name] *= timeScale;
  return scaled;
}
