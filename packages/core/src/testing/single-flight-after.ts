/**
 * Shares runs of `work` among callers, one at a time, such that each caller gets a run that began after its call.
 * Callers of the same moment share one run; those who come while it is under way share the next.
 */
export function singleFlightAfter(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | null = null;
  return () => {
    if (next) return next;
    const started = running.then(() => {
      next = null;
      return work();
    });
    next = started;
    running = started.catch(() => {});
    return started;
  };
}
