// One write as a row: who asks for what, where that put it, and how certain it is - by sign and shape as well as
// colour.

import { element, setText } from "../shared/dom.js";
import { dayOf, shortDay, span } from "../shared/times.js";
import { SIGNS, looksOf, statusOf, whyNothing } from "../shared/words.js";
import { placeOf } from "./log.js";

const VERBS = { reserve: "reserves", move: "moves", cancel: "cancels" };

/** An empty row for the write with this id; `fill` says the rest. */
export function makeRow(id) {
  return element(
    "li",
    { class: "write", "data-write": id },
    element("span", { class: "badge" }, element("span", { class: "sign" }), element("span", { class: "csn" })),
    element("span", { class: "who" }, element("b"), " ", element("span", { class: "where" })),
    element("span", { class: "when" }),
    element("span", { class: "what" }),
    element("span", { class: "origin" }),
  );
}

/** Show the present state of a write; `colours` has the number of a replica's colour by its label. */
export function fill(row, write, zone, { colours, labelOf }) {
  const looks = looksOf(write);
  const origin = labelOf(write.origin);
  const { when, where, what } = words(write, zone);
  row.dataset.looks = looks;
  row.dataset.state = write.state;
  row.dataset.outcome = statusOf(write.outcome);
  const [badge, who, time, detail, from] = row.children;
  setText(badge.firstChild, SIGNS[looks]);
  setText(badge.lastChild, write.csn === null ? "" : String(write.csn));
  setText(who.firstChild, write.user || write.op);
  setText(who.lastChild, where);
  setText(time, when);
  setText(detail, what);
  setText(from, origin);
  from.dataset.colour = colours.get(origin) ?? "other";
  from.title = `accepted at ${origin}`;
  const number = write.csn === null ? "tentative" : `committed, number ${write.csn}`;
  row.setAttribute("aria-label", `${number}: ${who.textContent} ${when} ${what}, accepted at ${origin}`);
}

function words(write, zone) {
  const { room, slots = [], purpose } = write.describe;
  if (write.describe.membership) return { when: write.op, where: write.describe.label ?? "", what: "membership" };
  if (room === undefined) return { when: write.op, where: "", what: otherWords(write) };
  const place = placeOf(write);
  const asked = slots[0] ?? null;
  const shown = place ?? asked;
  // What came of it stands first: a row is short, and the rest may be cut off.
  const told = [whyNothing(write.outcome), askedWords(asked, room, place, zone)];
  if (write.op !== "reserve") told.push(VERBS[write.op] ?? write.op);
  if (shown) told.push(shortDay(dayOf(shown, zone)));
  told.push(purpose);
  return {
    when: shown ? span(shown, zone) : (VERBS[write.op] ?? write.op),
    where: place?.room ?? room,
    what: told.filter(Boolean).join(" · "),
  };
}

/** What a write of another application is about, as far as it tells. */
function otherWords({ app, describe }) {
  return [app, ...Object.values(describe).filter((value) => typeof value === "string")].join(" · ");
}

/** What was asked for, where something else came of it. */
function askedWords(asked, room, place, zone) {
  if (!asked || !place || (place.start === asked.start && place.room === room)) return null;
  return `asked ${place.room === room ? "" : `${room} `}${span(asked, zone)}`;
}
