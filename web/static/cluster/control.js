// The control endpoint of `cluster.py up`, which crashes and restarts replicas. The address of this page has a key for it
// after the #, which works once. So the page keeps the token that it gets for the key while its tab is open.

import { answers, ask } from "../shared/rest.js";

const KEPT = "control";

/** The control of this page, or null. `say` gets a sentence if its key was used before. */
export async function findControl(say) {
  const given = /^#control=(\d+)\.(\w+)$/.exec(location.hash);
  if (given) {
    history.replaceState(null, "", location.pathname); // so that nobody copies a key that works no more
    const base = `${location.protocol}//127.0.0.1:${given[1]}`;
    const isClaimed = await answers(async () => {
      const { token, resets } = await ask(base, "POST", "/claim", { body: { key: given[2] } });
      sessionStorage.setItem(KEPT, JSON.stringify({ base, token, resets }));
    });
    if (!isClaimed) say("This address was used before, so this page cannot crash replicas. The terminal shows a new address.");
  }
  const kept = sessionStorage.getItem(KEPT);
  if (kept === null) return null;
  const { base, token, resets } = JSON.parse(kept);
  const send = (path) => ask(base, "POST", path, { body: { token } });
  return {
    resets,
    crash: (label) => send(`/crash/${label}`),
    restart: (label) => send(`/restart/${label}`),
    reset: () => send("/reset"),
  };
}
