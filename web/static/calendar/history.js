// What happened to a reservation: who asked for what, when and at which replica, and how it moved as seen here.

import { element } from "../shared/dom.js";
import { clock, dayOf, shortDay, span, wallClock } from "../shared/times.js";
import { SIGNS } from "../shared/words.js";

const WORDS = { reserve: "reserved", move: "moved", cancel: "cancelled" };

/** The elements that show an answer of GET …/history, times in `zone`. */
export function makeHistory({ events, moves_seen_here: moves, moves_kept_since: since }, zone) {
  return [
    element("ol", {}, ...events.map((event) => makeEvent(event, zone))),
    ...(moves.length
      ? [
          element("p", {}, "How it moved, as this replica saw it:"),
          element("ol", {}, ...moves.map((move) => makeMove(move, zone))),
        ]
      : []),
    since && events.some(({ accepted_at: at }) => Date.parse(at) < Date.parse(since))
      ? element("p", { class: "soft" }, `Moves before ${momentWords(since, zone)} are forgotten here.`)
      : null,
  ].filter(Boolean);
}

function makeEvent({ op, user, accepted_at: at, accepted_by: by, csn, state, before, after }, zone) {
  const way = before && after && !same(before, after) ? `from ${placeWords(before, zone)} to ` : "";
  const where = after ? `${way}${placeWords(after, zone)}` : "";
  return element(
    "li",
    {},
    element("i", { class: `shape ${state}` }, SIGNS[state]),
    element(
      "span",
      {},
      element("b", {}, `${WORDS[op] ?? op} by ${user}`),
      ` at ${by.split("~")[0]}, ${momentWords(at, zone)}`,
      where ? element("span", { class: "where" }, where) : null,
      element("span", { class: "soft" }, csn === null ? "not final yet" : `final, number ${csn} of all`),
    ),
  );
}

function makeMove({ at, from, to }, zone) {
  const [before, after] = [from, to].map((place) => (place ? placeWords(place, zone) : "no place"));
  return element("li", {}, element("span", {}, `${momentWords(at, zone)}: ${before} → ${after}`));
}

function same(one, other) {
  return one.room === other.room && one.start === other.start && one.end === other.end;
}

/** 6.12, Mon 3 Jun 09:00–10:00 */
function placeWords(place, zone) {
  return `${place.room}, ${shortDay(dayOf(place, zone))} ${span(place, zone)}`;
}

/** Mon 3 Jun 09:00:05 */
function momentWords(text, zone) {
  const moment = Date.parse(text);
  const seconds = String(new Date(moment).getUTCSeconds()).padStart(2, "0");
  return `${shortDay(wallClock(moment, zone).day)} ${clock(moment, zone)}:${seconds}`;
}
