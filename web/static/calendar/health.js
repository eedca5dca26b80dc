// In one sentence: whether reservations made here become final, and if not, why. Pure.

import { plural } from "../shared/words.js";

/** {level: ok | cut | lost, text} of what the replica said last (`info`), and whether it answers (`up`). */
export function health(info, up) {
  if (up === false) {
    const which = info ? `Replica ${info.label}` : "The replica";
    return {
      level: "lost",
      text: `${which} does not answer. What you see may be old; this page tries again by itself.`,
    };
  }
  if (info === null) return { level: "ok", text: "" };
  const { primary, peers, tentative } = info;
  if (primary.here) {
    return waiting(tentative)
      ? { level: "cut", text: `${waiting(tentative)} – commits are made by hand here.` }
      : fine();
  }
  const reached = peers.filter(({ link, reachable }) => link === "up" && reachable !== false).map(({ label }) => label);
  if (reached.includes(primary.label))
    return waiting(tentative) ? { level: "ok", text: `${waiting(tentative)}.` } : fine();
  const name = primary.label ? `the primary, ${primary.label}` : "the primary";
  if (reached.length && !tentative)
    return { level: "ok", text: `No direct link to ${name}; ${reached.join(" and ")} may pass things on.` };
  const told = waiting(tentative) ?? "You can reserve; it becomes final later";
  return { level: "cut", text: `Cut off from ${name}. ${told}.` };
}

function waiting(count) {
  return count ? `${plural(count, "reservation waits", "reservations wait")} to be final` : null;
}

function fine() {
  return { level: "ok", text: "" };
}
