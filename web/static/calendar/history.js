// The history of a reservation: who asked for what, when and at which replica, and how it moved as seen here.

import { element, shape } from "../shared/dom.js";
import { clock, roomAndSlot, shortDay, wallClock } from "../shared/times.js";
import { whyNothing } from "../shared/words.js";

const PAST_TENSE = { reserve: "reserved", move: "moved", edit: "given another purpose", extend: "added", cancel: "cancelled" };

/** The elements that show an answer of GET …/history, with times in `zone`. */
export function makeHistory({ events, moves_seen_here: moves, moves_kept_since: since }, zone) {
  return [
    element("ol", ...events.map((event) => makeEvent(event, zone))),
    moves.length ? element("p", "How it moved, as this replica saw it:") : null,
    moves.length ? element("ol", ...moves.map((move) => makeMove(move, zone))) : null,
    since && events.some(({ accepted_at: at }) => Date.parse(at) < Date.parse(since))
      ? element("p.note", `This replica keeps no moves from before ${momentWords(since, zone)}.`)
      : null,
  ].filter(Boolean);
}

function makeEvent({ op, user, owner, accepted_at: at, accepted_by: by, csn, state, outcome, reason, before, after }, zone) {
  const [first, last] = [before, after].map((result) => (result ? roomAndSlot(result, zone) : ""));
  const where = first && last && first !== last ? `from ${first} to ${last}` : last;
  const why = whyNothing(outcome);
  return element(
    "li",
    shape(why ? "rejected" : state),
    element(
      "span",
      element("b", why ? `${op} by ${user} had no effect: ${why}` : `${doneWords(op, owner)} by ${user}`),
      ` at ${by.split("~")[0]}, ${momentWords(at, zone)}`,
      element("span.where.optional", where),
      element("span.where.optional", reason && `Reason: ${reason}`),
      element("span.note", csn === null ? "not final yet" : `final, number ${csn} of all`),
    ),
  );
}

/** What an event did, and to whom the reservation went if its write names an owner. */
function doneWords(op, owner) {
  const done = PAST_TENSE[op] ?? op;
  if (owner === null) return done;
  return op === "edit" ? `handed over to ${owner}` : `${done} for ${owner}`;
}

function makeMove({ at, from, to, because }, zone) {
  const [before, after] = [from, to].map((result) => (result ? roomAndSlot(result, zone) : "no slot"));
  return element(
    "li",
    element(
      "span",
      `${momentWords(at, zone)}: ${before} → ${after}`,
      element("span.note.where.optional", because && causeWords(because, zone)),
    ),
  );
}

function causeWords({ user, earlier, got }, zone) {
  return `because ${user} ${earlier ? "had asked earlier" : "was first at the primary"} for ${roomAndSlot(got, zone)}`;
}

/** A moment to the second, such as Mon 3 Jun 09:00:05. */
function momentWords(text, zone) {
  const moment = Date.parse(text);
  const seconds = new Date(moment).toISOString().slice(17, 19);
  return `${shortDay(wallClock(moment, zone).day)} ${clock(moment, zone)}:${seconds}`;
}
