// The user's coming reservations, each with links to its day and to its details. ↻ means a series.

import { element } from "../shared/dom.js";
import { dayAndSpan, dayOf } from "../shared/times.js";
import { SIGNS } from "../shared/words.js";

const SHOWN_MAX = 12;

export function showMine(node, reservations, zoneOf) {
  const coming = reservations.filter(({ slot }) => slot && Date.parse(slot.end) > Date.now()).slice(0, SHOWN_MAX);
  node.hidden = coming.length === 0;
  node
    .querySelector("ol")
    .replaceChildren(...coming.map((reservation) => makeLine(reservation, zoneOf(reservation.room))));
}

function makeLine({ id, room, slot, purpose, state, occurrence }, zone) {
  const day = dayOf(slot, zone);
  return element(
    "li",
    { "data-id": id, "data-state": state },
    element("i", { class: `shape ${state}` }, SIGNS[state]),
    element("a", { href: `#${new URLSearchParams({ day, room })}` }, dayAndSpan(slot, zone)),
    element(
      "button",
      { type: "button", class: "plain clipped", "data-open": id, "aria-label": `Details of ${purpose || "the reservation"} in ${room}` },
      `${occurrence ? "↻ " : ""}${room}${purpose ? ` · ${purpose}` : ""}`,
    ),
  );
}
