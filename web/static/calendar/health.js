// One sentence that says whether reservations made here become final, and if not, why. A pure function.

import { plural } from "../shared/words.js";

/** {level: ok | cut | lost, text}, by the replica's last state (`info`) and by whether it answers (`up`). */
export function health(info, up) {
  if (up === false) {
    const which = info ? `Replica ${info.label}` : "The replica";
    const text = `${which} does not answer. What you see may be old; this page tries again by itself.`;
    return { level: "lost", text };
  }
  if (info === null) return { level: "ok", text: "" };
  const { primary, peers, tentative, pace } = info;
  const waiting = `${plural(tentative, "reservation waits", "reservations wait")} to be final`;
  if (pace === "manual") {
    const text = "Manual pace: nothing is sent or committed by itself here.";
    return { level: "cut", text: tentative ? `${waiting}. ${text}` : text };
  }
  if (primary.here && tentative) return { level: "cut", text: `${waiting} – this replica commits only on request.` };
  if (primary.gone) {
    const text = `There is no primary: the primary was ${primary.label}, under an earlier id. An operator must promote a replica by force. `;
    return { level: "cut", text: `${text}${tentative ? waiting : "You can reserve. New reservations become final later"}.` };
  }
  const reached = peers.filter(({ link, reachable }) => link === "up" && reachable !== false).map(({ label }) => label);
  if (primary.here || reached.includes(primary.label)) return { level: "ok", text: tentative ? `${waiting}.` : "" };
  const name = primary.label ? `the primary, ${primary.label}` : "the primary";
  if (reached.length && !tentative) {
    return { level: "ok", text: `No direct link to ${name}; ${reached.join(" and ")} can pass writes on.` };
  }
  const advice = tentative ? waiting : "You can reserve. New reservations become final later";
  return { level: "cut", text: `Cut off from ${name}. ${advice}.` };
}
