// Runs a task that many events ask for, one run at a time: a burst of events is two runs, not many.

/**
 * A function that starts `run(names)`, a Set of names or null for everything. If it is called while a run is going on,
 * one more run follows, for all the names asked for meanwhile. It returns a promise of the end of the last run.
 */
export function single(run) {
  let running = null;
  let next;
  return function start(names) {
    if (running) {
      next = next === undefined ? names && new Set(names) : next && names && new Set([...next, ...names]);
      next ??= null;
      return running;
    }
    running = (async () => {
      let now = names ? new Set(names) : null;
      do {
        next = undefined;
        await run(now);
        now = next;
      } while (next !== undefined);
    })().finally(() => (running = null));
    return running;
  };
}
