// One write as a row: who asks for what, what it did, and how final it is, by sign and shape as well as by colour.

import { element, setText } from "../shared/dom.js";
import { dayOf, shortDay, span } from "../shared/times.js";
import { SIGNS, looksOf, statusOf, whereHeld, whyNothing } from "../shared/words.js";
import { resultOf } from "./log.js";
import { clockOfStamp } from "./vectors.js";

const VERBS = {
  move: "moves",
  edit: "changes the purpose of",
  cancel: "cancels",
  reserve_series: "reserves a series",
  move_series: "moves a series",
  extend_series: "extends a series",
  edit_series: "changes the purpose of a series",
  cancel_series: "cancels a series",
};

/** An empty row for the write with this id. `fill` puts the content in. */
export function makeRow(id) {
  return element(
    "li.write",
    { "data-write": id },
    element("span.badge", element("span.sign"), element("span.csn.optional")),
    element("span.who", element("b"), " ", element("span.where.soft")),
    element("span.when"),
    element("span.what.soft"),
    element("span.origin.replica", element("span"), element("small.stamp")),
    element("span.held.optional"),
  );
}

/** Shows the current state of a write. `colours` has the colour of each replica by its label. */
export function fill(row, write, zone, { colours, labelOf }) {
  const looks = looksOf(write);
  const origin = labelOf(write.origin);
  const { when, where, what } = describe(write, zone);
  row.dataset.looks = looks;
  row.dataset.state = write.state;
  row.dataset.outcome = statusOf(write.outcome);
  const held = write.held_by ? whereHeld(write.held_by) : "";
  const [badge, who, time, detail, from, spread] = row.children;
  setText(badge.firstChild, SIGNS[looks]);
  setText(badge.lastChild, write.csn === null ? "" : String(write.csn));
  setText(who.firstChild, write.user || write.op);
  setText(who.lastChild, where);
  setText(time, when);
  setText(detail, what);
  detail.title = what;
  setText(spread, held);
  setText(from.firstChild, origin);
  setText(from.lastChild, clockOfStamp(write.id.split("@", 1)[0], zone));
  from.dataset.colour = colours.get(origin) ?? "other";
  from.title = `accepted at ${origin}, with the stamp ${write.id}`;
  const number = write.csn === null ? ["tentative", held].filter(Boolean).join(", ") : `committed, number ${write.csn}`;
  row.setAttribute("aria-label", `${number}: ${who.textContent} ${when} ${what}, accepted at ${origin}`);
}

function describe(write, zone) {
  const { room, slots = [], purpose } = write.describe;
  if (write.describe.membership) return { when: write.op, where: write.describe.label ?? "", what: "membership" };
  if (room === undefined) return { when: write.op, where: "", what: otherWords(write) };
  const result = resultOf(write);
  const asked = slots[0] ?? null;
  const slot = result ?? asked;
  const verb = VERBS[write.op] ?? (write.op === "reserve" ? null : write.op);
  // What it did comes first: a very long purpose is cut off.
  const words = [whyNothing(write.outcome), askedWords(asked, room, result, zone), verb];
  if (slot) words.push(shortDay(dayOf(slot, zone)));
  return {
    when: slot ? span(slot, zone) : (verb ?? write.op),
    where: result?.room ?? room,
    what: [...words, purpose].filter(Boolean).join(" · "),
  };
}

/** What a write of another application did; what it is about, and its status, if it did nothing. */
function otherWords(write) {
  const { result: _, why: __, relations, ...about } = write.describe;
  const { how, ...did } = resultOf(write) ?? about;
  const status = statusOf(write.outcome);
  const first = ["updated", "merged"].includes(status) ? how : status;
  const words = Object.values(did).filter((value) => typeof value === "string");
  return [relations ? null : write.app, first, ...words].filter(Boolean).join(" · ");
}

/** What a write asked for, if its result differs. */
function askedWords(asked, room, result, zone) {
  if (!asked || !result || (result.start === asked.start && result.room === room)) return null;
  return `asked ${result.room === room ? "" : `${room} `}${span(asked, zone)}`;
}
