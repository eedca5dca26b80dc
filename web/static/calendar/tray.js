// What happened to reservations after they were made: those that moved, and those that lost their place, with a way
// out.

import { element, setText } from "../shared/dom.js";
import { Refused, Silent, ask } from "../shared/rest.js";
import { addDays, dayOf, dayStart, shortDay, span } from "../shared/times.js";
import { nearest } from "./nearest.js";
import { randomName, reservationPath } from "./paths.js";
import { readCalendar } from "./source.js";

const NOTICES_MAX = 6;
const SEARCH_DAYS = 7;

export class Tray {
  /** `roomOf(name)` gives {timezone, opens, closes}; `on.changed()` after a reservation was moved or cancelled here. */
  constructor(node, roomOf, on) {
    this.node = node;
    this.roomOf = roomOf;
    this.on = on;
    this.rejected = element("div", { class: "rejected-ones" });
    this.notices = element("div", { class: "notices" });
    node.append(this.rejected, this.notices);
    this.cards = new Map();
  }

  /** `before` and `after` are places; `name` says whose and what. */
  tellMoved(id, name, before, after, mine) {
    const zone = this.roomOf(after.room).timezone;
    const text = `${name} moved ${wayWords(before, after, zone)}. An earlier reservation has its first place.`;
    this.tell(id, "↷", text, mine);
  }

  tellRejected(id, name) {
    this.tell(
      id,
      "✗",
      `${name} lost its place: an earlier reservation has it, and nothing else that was asked for is free.`,
      false,
    );
  }

  /** A forced promotion took its commit back. */
  tellRevoked(id, name, isLost, mine) {
    const fate = isLost ? "is lost: please reserve again" : "is tentative again, and may move";
    this.tell(id, isLost ? "✗" : "?", `${name} was final, but another primary was forced: it ${fate}.`, mine);
  }

  /** The reservations of mine that have no place: they stay here until they have one again, or are cancelled. */
  showRejected(mine) {
    const without = mine.filter(({ state }) => state === "rejected");
    for (const [id, card] of this.cards) {
      if (without.some((reservation) => reservation.id === id)) continue;
      card.remove();
      this.cards.delete(id);
    }
    for (const reservation of without) {
      // A card stays as it is, whatever else is read: its owner may be looking at what was found.
      const card = this.cards.get(reservation.id) ?? this.rejected.appendChild(this.makeRejected(reservation));
      this.cards.set(reservation.id, card);
      card.querySelector(".open").hidden = reservation.final;
    }
  }

  tell(id, sign, text, mine) {
    for (const old of this.notices.querySelectorAll("[data-about]")) if (old.dataset.about === id) old.remove();
    const close = element("button", { type: "button", class: "remove", "aria-label": "Close this notice" }, "×");
    const notice = element(
      "div",
      { class: mine ? "notice mine" : "notice", "data-about": id },
      element("b", { class: "sign", "aria-hidden": "true" }, sign),
      element("p", {}, text),
      close,
    );
    close.addEventListener("click", () => notice.remove());
    this.notices.prepend(notice);
    while (this.notices.children.length > NOTICES_MAX) this.notices.lastChild.remove();
  }

  makeRejected(reservation) {
    const { id, room, purpose, asked, reason } = reservation;
    const zone = this.roomOf(room).timezone;
    const said = element("p", { class: "found", role: "status" });
    const search = element("button", { type: "button", class: "main" }, "Find the nearest free time");
    const cancel = element("button", { type: "button" }, "Cancel it");
    const card = element(
      "div",
      { class: "card", "data-id": id },
      element(
        "p",
        { class: "head" },
        element("i", { class: "shape rejected" }, "✗"),
        element("b", {}, purpose || "Your reservation"),
        ` lost ${placeWords({ room, ...asked[0] }, zone)}`,
      ),
      element("p", { class: "why" }, reason?.message ?? "Nothing that was asked for is free."),
      element("p", { class: "why open" }, "This may change until the primary has seen it."),
      said,
      element("div", { class: "actions" }, search, cancel),
    );
    search.addEventListener("click", () => this.search(reservation, said, search));
    cancel.addEventListener("click", () => this.attempt(said, "DELETE", id));
    return card;
  }

  async search({ id, room, asked }, said, button) {
    const { timezone: zone, opens, closes } = this.roomOf(room);
    const day = dayOf(asked[0], zone);
    const from = Math.max(dayStart(day, zone), Math.ceil(Date.now() / 900_000) * 900_000);
    const to = Math.max(dayStart(addDays(day, SEARCH_DAYS), zone), from + 1);
    const wanted = { start: Date.parse(asked[0].start), end: Date.parse(asked[0].end) };
    let busy;
    try {
      busy = (await readCalendar({ room, from, to })).map(({ start, end }) => ({
        start: Date.parse(start),
        end: Date.parse(end),
      }));
    } catch (problem) {
      this.sayProblem(said, problem);
      return;
    }
    const found = nearest(wanted, busy, { from, to, zone, opens, closes });
    if (!found) {
      setText(said, `${room} has no free time of that length within ${SEARCH_DAYS} days.`);
      return;
    }
    const slot = { start: new Date(found.start).toISOString(), end: new Date(found.end).toISOString() };
    setText(said, `Free: ${placeWords({ room, ...slot }, zone)}.`);
    const take = element("button", { type: "button", class: "main take" }, "Take it");
    take.addEventListener("click", () => this.attempt(said, "PATCH", id, { slots: [slot], request: randomName() }));
    button.replaceWith(take);
    take.focus();
  }

  async attempt(said, method, id, body) {
    try {
      await ask("", method, reservationPath(id), { body, user: id.split("/")[0] });
      this.on.changed();
    } catch (problem) {
      this.sayProblem(said, problem);
    }
  }

  sayProblem(said, problem) {
    if (!(problem instanceof Silent || problem instanceof Refused)) throw problem;
    setText(
      said,
      problem instanceof Silent ? "The replica does not answer. Try again when it is back." : problem.message,
    );
  }
}

/** From where to where, without what both have. */
function wayWords(before, after, zone) {
  const sameDay = dayOf(before, zone) === dayOf(after, zone);
  if (before.room !== after.room || !sameDay) return `from ${placeWords(before, zone)} to ${placeWords(after, zone)}`;
  return `from ${span(before, zone)} to ${span(after, zone)} in ${after.room} on ${shortDay(dayOf(after, zone))}`;
}

/** 6.12, Mon 3 Jun 09:00–10:00 */
function placeWords(place, zone) {
  return `${place.room}, ${shortDay(dayOf(place, zone))} ${span(place, zone)}`;
}
