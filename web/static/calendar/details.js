// One reservation in a dialog: whose it is, how certain, and its end if it is mine.

import { element, setText } from "../shared/dom.js";
import { Refused, Silent, ask } from "../shared/rest.js";
import { dayOf, longDay, span } from "../shared/times.js";
import { SIGNS } from "../shared/words.js";

const MEANINGS = {
  committed: "Final: it will not move any more.",
  tentative: "Not final yet: an earlier reservation may still turn up and move it.",
  rejected: "It has no place.",
  cancelled: "It was cancelled.",
};

export class Details {
  /** `on.changed()` after it was cancelled here. */
  constructor(node, zoneOf, on) {
    this.node = node;
    this.zoneOf = zoneOf;
    this.on = on;
  }

  async open(id, me) {
    const path = `/reservations/${id.split("/").map(encodeURIComponent).join("/")}`;
    let reservation;
    try {
      reservation = await ask("", "GET", path);
    } catch (problem) {
      if (!(problem instanceof Silent || problem instanceof Refused)) throw problem;
      this.show([element("h3", { id: "details-title" }, "Not to be had"), element("p", {}, problem.message)], []);
      return;
    }
    const said = element("p", { role: "alert" });
    const cancel = element("button", { type: "button", class: "danger" }, "Cancel this reservation");
    cancel.addEventListener("click", () => this.cancel(path, reservation.user, said));
    const mayCancel = reservation.user === me && ["committed", "tentative", "rejected"].includes(reservation.state);
    this.show([...this.words(reservation), said], mayCancel ? [cancel] : []);
  }

  words({ user, room, slot, purpose, state, asked }) {
    const zone = this.zoneOf(room);
    const moved = slot && (asked[0].start !== slot.start || asked[0].room !== room);
    return [
      element("h3", { id: "details-title" }, purpose || "Reservation"),
      element("p", { class: "state" }, element("i", { class: `shape ${state}` }, SIGNS[state]), ` ${MEANINGS[state]}`),
      element(
        "dl",
        {},
        element("dt", {}, "Room"),
        element("dd", {}, room),
        element("dt", {}, "When"),
        element("dd", {}, slot ? `${longDay(dayOf(slot, zone))}, ${span(slot, zone)}` : "–"),
        element("dt", {}, "Who"),
        element("dd", {}, user),
        ...(moved
          ? [element("dt", {}, "Asked first"), element("dd", {}, `${asked[0].room}, ${span(asked[0], zone)}`)]
          : []),
      ),
    ];
  }

  show(parts, actions) {
    const close = element("button", { type: "button", autofocus: "" }, "Close");
    close.addEventListener("click", () => this.node.close());
    this.node.replaceChildren(...parts, element("div", { class: "actions" }, ...actions, close));
    this.node.showModal();
  }

  async cancel(path, user, said) {
    try {
      await ask("", "DELETE", path, { user });
      this.node.close();
      this.on.changed();
    } catch (problem) {
      if (!(problem instanceof Silent || problem instanceof Refused)) throw problem;
      setText(said, problem.message);
    }
  }
}
