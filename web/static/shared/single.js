// Runs a task that many events ask for, one run at a time: a burst of events is two runs, not many.

/**
 * A function that starts `run(names)`, a Set of names or null for everything. If it is called while a run is going on,
 * one more run follows, for all the names asked for meanwhile. A pause of `pauseMs` follows each run, and is part of it.
 * The function returns a promise of the end of the last run.
 */
export function single(run, pauseMs = 0) {
  let running = null;
  let asked = []; // lists of names, or null for everything
  async function runAll() {
    try {
      while (asked.length) {
        const now = asked.splice(0);
        await run(now.includes(null) ? null : new Set(now.flat()));
        if (pauseMs) await new Promise((done) => setTimeout(done, pauseMs));
      }
    } finally {
      running = null;
    }
  }
  return function start(names = null) {
    asked.push(names);
    running ??= runAll();
    return running;
  };
}
