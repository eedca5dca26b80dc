// The user's coming reservations, each with links to its day and to its details. ↻ means a series.

import { button, element, shape } from "../shared/dom.js";
import { dayAndSpan, dayOf } from "../shared/times.js";
import { roomsOf } from "./facts.js";

const SHOWN_MAX = 12;

/** `roomOf(name)` gives {timezone}; `open(id)` runs for a click on a reservation. */
export function showMine(node, reservations, roomOf, open) {
  const coming = reservations.filter(({ slot }) => slot && Date.parse(slot.end) > Date.now()).slice(0, SHOWN_MAX);
  node.hidden = coming.length === 0;
  const lines = coming.map((reservation) => makeLine(reservation, roomOf(reservation.room).timezone, open));
  const { open: focused } = document.activeElement?.dataset ?? {};
  node.querySelector("ol").replaceChildren(...lines);
  if (focused) giveFocus(focused);
}

/** Gives the focus to the line of a reservation; if there is none any more, to the calendar. */
export function giveFocus(id) {
  const line = document.querySelector(`[data-open="${CSS.escape(id)}"]`);
  (line ?? document.querySelector('main > :not([hidden]) [tabindex="0"]'))?.focus({ preventScroll: true });
}

function makeLine({ id, room, slot, purpose, state, occurrence }, zone, open) {
  const day = dayOf(slot, zone);
  return element(
    "li",
    { "data-id": id, "data-state": state },
    shape(state),
    element("a", { href: `#${new URLSearchParams({ day, room: roomsOf(room)[0] })}` }, dayAndSpan(slot, zone)),
    button(
      ".plain.soft",
      () => open(id),
      { "data-open": id, "aria-label": `Details of ${purpose || "the reservation"} in ${room}` },
      `${occurrence ? "↻ " : ""}${room}${purpose ? ` · ${purpose}` : ""}`,
    ),
  );
}
