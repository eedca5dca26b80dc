// What happened to reservations after they were made: notices of those that moved, and cards of those that lost their
// slot, with a way to find another.

import { button, element, setText, shape } from "../shared/dom.js";
import { showProblem } from "../shared/rest.js";
import { MINUTE_MS, addDays, dayOf, dayStart, iso, roomAndSlot, shortDay, span } from "../shared/times.js";
import { roomsOf } from "./facts.js";
import { nearest } from "./nearest.js";
import { randomName, reservationPath } from "./paths.js";
import { remember, remembered } from "./storage.js";
import { readCalendar } from "./source.js";

const NOTICES_MAX = 6;
const READ_KEY = "bayou-read";
const READ_MAX = 200;
const SEARCH_DAYS = 7;
const SEARCH_STEP_MS = 15 * MINUTE_MS;

export class Tray {
  /**
   * `roomOf(name)` gives {timezone, opens, closes, closed}. `on.write` and `on.cancel` ask the replica, see main.js;
   * `on.changed()` runs after a reservation was changed here.
   */
  constructor(node, roomOf, on) {
    this.node = node;
    this.roomOf = roomOf;
    this.on = on;
    this.cards = new Map();
    this.read = new Set(remembered(READ_KEY).split("\n")); // the cards that the user has read
  }

  /** `name` says whose reservation it is and what for; `before` and `after` are {room, start, end}. */
  noteMoved(id, name, before, after, mine) {
    const from = changeWords(before, after, this.roomOf(after.room).timezone);
    this.note(id, "↷", `${name} moved ${from}. An earlier reservation has its first slot.`, mine);
  }

  noteRejected(id, name) {
    const text = `${name} lost its slot: an earlier reservation has it, and no other slot that the request allows is free.`;
    this.note(id, "✗", text, false);
  }

  /** Shows that a forced promotion took back the commit of a reservation. */
  noteRevoked(id, name, isLost, mine) {
    const fate = isLost ? "is lost. Please reserve again" : "is tentative again and can still move";
    this.note(id, isLost ? "✗" : "?", `${name} was final, but a new primary was promoted by force. The reservation ${fate}.`, mine);
  }

  /** The user's reservations without a slot. They stay here until they have one again, or are cancelled. */
  showRejected(mine) {
    const without = mine.filter(({ state }) => state === "rejected");
    for (const [id, card] of this.cards) {
      if (id.startsWith("cancelled ") || without.some((reservation) => reservation.id === id)) continue;
      card.remove();
      this.cards.delete(id);
    }
    for (const reservation of without) {
      // A card is not drawn again, because its user may be looking at what was found.
      const card = this.cards.get(reservation.id) ?? this.add(this.makeRejected(reservation));
      this.cards.set(reservation.id, card);
      card.querySelector(".open").hidden = reservation.final;
    }
  }

  /** The user's reservations that somebody else cancelled, with the reason. They stay here until the user has read it. */
  showCancelled(mine) {
    for (const { id, owner, purpose, room, asked, state, reason, final } of mine) {
      const key = `cancelled ${id}`;
      const isOver = asked.every(({ end }) => Date.parse(end) < Date.now());
      const isByAnother = state === "cancelled" && reason?.by && reason.by !== owner;
      if (!isByAnother || isOver || this.read.has(key)) {
        this.cards.get(key)?.remove();
        this.cards.delete(key);
        continue;
      }
      const lost = roomAndSlot({ room, ...asked[0] }, this.roomOf(room).timezone);
      const close = button("", () => this.markRead(key), "I have read it");
      const card = this.cards.get(key) ?? this.add(
        element(
          "div.card",
          { "data-id": id },
          element("p.head", shape("cancelled"), element("b", purpose || "Your reservation"), ` of ${lost} was cancelled`),
          element("p.note", reason.message),
          element("p.note.open", "This is not final yet and can still change."),
          element("div.actions", close),
        ),
      );
      this.cards.set(key, card);
      card.querySelector(".open").hidden = final;
    }
  }

  markRead(key) {
    this.read.add(key);
    remember(READ_KEY, [...this.read].slice(-READ_MAX).join("\n"));
    this.cards.get(key).remove();
    this.cards.delete(key);
  }

  note(id, sign, text, mine) {
    for (const old of this.node.querySelectorAll("[data-about]")) if (old.dataset.about === id) old.remove();
    const notice = element(
      mine ? "div.notice.mine" : "div.notice",
      { "data-about": id },
      element("b.sign", { "aria-hidden": "true" }, sign),
      element("p", text),
      button(".remove.plain", () => notice.remove(), { "aria-label": "Close this notice" }, "×"),
    );
    this.add(notice);
    if (this.node.querySelectorAll(".notice").length > NOTICES_MAX) this.node.lastChild.remove();
  }

  /** Puts a card after the cards, or a notice before the older notices, which come after the cards. */
  add(node) {
    return this.node.insertBefore(node, this.node.querySelector(".notice"));
  }

  makeRejected(reservation) {
    const { id, room, purpose, asked, reason } = reservation;
    const lost = roomAndSlot({ room, ...asked[0] }, this.roomOf(room).timezone);
    const said = element("p.found.optional", { role: "status" });
    const find = () => showProblem(said, () => this.search(reservation, said, search));
    const search = button(".main", find, "Find the nearest free time");
    return element(
      "div.card",
      { "data-id": id },
      element("p.head", shape("rejected"), element("b", purpose || "Your reservation"), ` lost ${lost}`),
      element("p.note", reason?.message ?? "No slot that the request allows is free."),
      element("p.note.open", "This is not final yet and can still change."),
      said,
      element(
        "div.actions",
        search,
        button("", () => this.on.cancel({ path: reservationPath(id), words: lost, includes: (other) => other === id }), "Cancel it"),
      ),
    );
  }

  async search({ id, room, asked }, said, search) {
    const { timezone: zone, opens, closes, closed } = this.roomOf(room);
    const day = dayOf(asked[0], zone);
    const from = Math.max(dayStart(day, zone), Math.ceil(Date.now() / SEARCH_STEP_MS) * SEARCH_STEP_MS);
    const to = Math.max(dayStart(addDays(day, SEARCH_DAYS), zone), from + 1);
    const calendars = await Promise.all(roomsOf(room).map((one) => readCalendar({ room: one, from, to })));
    const busy = calendars.flat().map(moments);
    const found = nearest(moments(asked[0]), busy, { from, to, zone, opens, closes, closed });
    if (!found) {
      setText(said, `${room} has no free time of that length within ${SEARCH_DAYS} days.`);
      return;
    }
    const slot = { start: iso(found.start), end: iso(found.end) };
    setText(said, `Free: ${roomAndSlot({ room, ...slot }, zone)}.`);
    const body = { slots: [slot], request: randomName() };
    const take = button(".main.take", () => this.take(said, id, body), "Take it");
    search.replaceWith(take);
    take.focus();
  }

  async take(said, id, body) {
    await showProblem(said, async () => {
      await this.on.write("PATCH", reservationPath(id), body);
      this.on.changed();
    });
  }
}

function moments({ start, end }) {
  return { start: Date.parse(start), end: Date.parse(end) };
}

/** From where to where a reservation moved, without what both places have in common. */
function changeWords(before, after, zone) {
  if (before.room !== after.room || dayOf(before, zone) !== dayOf(after, zone)) {
    return `from ${roomAndSlot(before, zone)} to ${roomAndSlot(after, zone)}`;
  }
  return `from ${span(before, zone)} to ${span(after, zone)} in ${after.room} on ${shortDay(dayOf(after, zone))}`;
}
