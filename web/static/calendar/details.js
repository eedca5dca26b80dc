// One reservation in a dialog: its room, slot and owner, its series and its history. Its owner may change it there.

import { button, element, prose, setText, shape } from "../shared/dom.js";
import { answers, ask, showProblem, sentenceFor } from "../shared/rest.js";
import { single } from "../shared/single.js";
import { dayAndSpan, dayOf, longDay, roomAndSlot, shortDay, span } from "../shared/times.js";
import { plural, whereHeld } from "../shared/words.js";
import { factsOf, ruleWords } from "./facts.js";
import { makeHistory } from "./history.js";
import { giveFocus } from "./mine.js";
import { makeExtendForm, makeMover, makeOwnerForm, makePurposeForm } from "./mover.js";
import { randomName, reservationPath, seriesPath } from "./paths.js";

const PAUSE_MS = 1000; // events may come in bursts
const MEANINGS = {
  committed: "Final: no other reservation can take this slot any more.",
  tentative: "Not final yet: an earlier reservation can still arrive and take this slot.",
  rejected: "This reservation has no slot.",
  cancelled: "This reservation was cancelled.",
};

const SHIFTED = "The time zone or its rules have changed. Move this reservation, or ask a manager to correct all such times.";

export class Details {
  /** `roomOf(name)` gives what is known of a room, `names()` the names of all; for `on`, see main.js. */
  constructor(node, { roomOf, names }, on) {
    this.node = node;
    this.roomOf = roomOf;
    this.names = names;
    this.on = on;
    this.reservation = null;
    this.shown = element("div");
    this.said = element("p", { role: "alert" });
    this.refresh = single(() => this.readAgain(), PAUSE_MS);
    node.addEventListener("close", () => {
      node.replaceChildren();
      // The browser gives the focus back to the element that had it, unless that element was drawn again meanwhile.
      if (document.activeElement === document.body) giveFocus(this.openedFrom ?? "");
    });
  }

  async open(id, me) {
    this.me = me;
    if (!this.node.open) this.openedFrom = document.activeElement?.dataset.open;
    setText(this.said, "");
    try {
      this.reservation = await ask("", "GET", reservationPath(id));
    } catch (problem) {
      this.reservation = null;
      this.show([makeTitle("Cannot be shown"), element("p", prose(sentenceFor(problem)))], []);
      return;
    }
    const { reservation } = this;
    this.shown.replaceChildren(...this.describe(reservation));
    const parts = [this.shown, this.foldOfHistory(reservation)];
    if (reservation.occurrence) parts.push(this.foldOfSeries(reservation));
    const mine = reservation.owner === me.name;
    const mayChange = reservation.state !== "cancelled" && (mine || me.role === "manager");
    this.show([...parts, this.said], mayChange ? this.actions(reservation, mine) : []);
  }

  /** Reads the reservation again, and describes it as it is now. Fields and what is unfolded stay as they are. */
  async readAgain() {
    const before = this.reservation;
    if (!this.node.open || !before) return;
    await answers(async () => {
      const reservation = await ask("", "GET", reservationPath(before.id));
      if (this.reservation !== before || JSON.stringify(reservation) === JSON.stringify(before)) return;
      this.reservation = reservation;
      this.shown.replaceChildren(...this.describe(reservation));
    });
  }

  describe({ user, owner, room, slot, purpose, state, reason, asked, shifted, held_by: holders }) {
    const zone = this.zoneOf(room);
    const moved = slot && (asked[0].start !== slot.start || asked[0].room !== room);
    const rows = [
      ["Room", room, factsOf(this.roomOf(room)).join(" · ")],
      ["When", slot ? `${longDay(dayOf(slot, zone))}, ${span(slot, zone)}` : "–"],
      shifted ? ["Asked for", dayAndSpan(shifted, zone), SHIFTED] : null,
      ["Who", owner, owner === user ? "" : `made by ${user}`],
      moved ? ["Asked first", roomAndSlot(asked[0], zone)] : null,
      reason ? ["Why", reason.message] : null,
      holders ? ["Held", whereHeld(holders)] : null,
    ];
    return [
      makeTitle(purpose || "Reservation"),
      element("p.state", shape(state), ` ${MEANINGS[state]}`),
      element("dl", ...rows.filter(Boolean).flatMap(makeTerm)),
    ];
  }

  /** The buttons: its owner may change a reservation; a manager may hand it over, and cancel it with a reason. */
  actions({ room, occurrence }, mine) {
    const one = button(".danger", () => this.end("one"), `Cancel this ${occurrence ? "one" : "reservation"}`);
    const send = (reach, body) => this.attempt("PATCH", this.path(reach), { ...body, request: randomName() });
    const hand = makeUnfolding("Hand over …", () => makeOwnerForm(this.reservation, send));
    if (!mine) return [this.reasonField(), one, hand];
    const later = button(".danger", () => this.end("later"), "Cancel this and later ones");
    const complain = (text) => setText(this.said, text);
    const move = makeUnfolding("Move …", () =>
      makeMover(this.reservation, this.names(), this.zoneOf(room), { send, complain }),
    );
    const edit = makeUnfolding("Change purpose …", () => makePurposeForm(this.reservation, send));
    return occurrence ? [move, edit, hand, one, later] : [move, edit, hand, one];
  }

  reasonField() {
    this.reason = element("input", { maxlength: "200", required: "" });
    return element("label.reason", "Reason, shown to the owner ", this.reason);
  }

  foldOfHistory({ id, room }) {
    return fold("What happened", async () =>
      makeHistory(await ask("", "GET", `${reservationPath(id)}/history`), this.zoneOf(room)),
    );
  }

  foldOfSeries(reservation) {
    return fold("Its series", async () => {
      await this.on.settle(); // so that a day which was just cancelled can be brought back
      const { series } = await ask("", "GET", seriesPath(reservation));
      const held = series.reservations;
      const count = `${held.filter(({ slot }) => slot).length} of ${plural(held.length, "occurrence")}`;
      const isMine = series.owner === this.me.name;
      return [
        element("p", `${ruleWords(series.rule)}; ${count} have a slot`),
        element("ol", ...held.map((one) => this.makeOccurrence(one, one.id === reservation.id, isMine))),
        isMine && series.except.length ? element("p", ...series.except.map((day) => this.makeBack(day))) : null,
        isMine && series.rule ? makeExtendForm((until) => this.extend({ until })) : null,
      ].filter(Boolean);
    });
  }

  makeOccurrence({ id, room, slot, state, occurrence }, isHere, isMine) {
    const zone = this.zoneOf(room);
    const day = slot ? dayOf(slot, zone) : occurrence;
    const attributes = { "aria-current": isHere ? "true" : null };
    const look = () => {
      this.on.look(day, room);
      this.open(id, this.me);
    };
    const words = slot ? `${dayAndSpan(slot, zone)} ${room}` : `${shortDay(day)} – no slot`;
    const back = state === "cancelled" && isMine ? this.makeBack(occurrence) : null;
    return element("li", shape(state), button(".link.plain", look, attributes, words), back);
  }

  /** A button that brings back a day of the series which was left out or cancelled. */
  makeBack(day) {
    return button(".plain", () => this.extend({ dates: [day] }), `Bring back ${shortDay(day)}`);
  }

  extend(body) {
    const path = `${seriesPath(this.reservation)}/occurrences`;
    return this.attempt("POST", path, { ...body, request: randomName() });
  }

  show(parts, actions) {
    const close = button("", () => this.node.close(), { autofocus: "" }, "Close");
    this.node.replaceChildren(...parts, element("div.actions", ...actions, close));
    if (!this.node.open) this.node.showModal();
    close.focus();
  }

  /** Cancels this reservation, or this and later ones. A manager gives a reason, and cancels only one. */
  end(reach) {
    const { id, user, owner, room, slot, asked, series, occurrence } = this.reservation;
    const query = {};
    if (owner !== this.me.name) {
      query.reason = this.reason.value.trim();
      if (!query.reason) {
        setText(this.said, "Give a reason. The owner of the reservation will read the reason.");
        this.reason.focus();
        return;
      }
    }
    if (reach === "later") query.from = occurrence;
    const first = roomAndSlot({ room, ...(slot ?? asked[0]) }, this.zoneOf(room));
    const ofSeries = `${user}/${series}~`;
    const isLater = (other) => other.startsWith(ofSeries) && other.slice(ofSeries.length) >= occurrence;
    this.on.cancel({
      path: reach === "one" ? reservationPath(id) : seriesPath(this.reservation),
      query,
      words: reach === "one" ? first : `${first} and later ones`,
      includes: reach === "one" ? (other) => other === id : isLater,
    });
    this.node.close();
  }

  /** The path of this reservation, or of its series from this one on. */
  path(reach) {
    const { reservation } = this;
    if (reach === "one") return reservationPath(reservation.id);
    return `${seriesPath(reservation)}?from=${reservation.occurrence}`;
  }

  attempt(method, path, body) {
    return showProblem(this.said, async () => {
      const { unmoved } = await this.on.write(method, path, body);
      this.on.changed();
      if (!unmoved?.length) return this.node.close();
      const days = unmoved.map(shortDay).join(", ");
      return setText(this.said, `No slot that your request allows is free on ${days}. Nothing was changed on these days.`);
    });
  }

  zoneOf(room) {
    return this.roomOf(room).timezone;
  }
}

function makeTitle(text) {
  return element("h3", { id: "details-title" }, text);
}

function makeTerm([name, text, more]) {
  return [element("dt.soft", name), element("dd", text, element("small.soft.optional", more))];
}

/** A button that gives way to the form which `make` returns. */
function makeUnfolding(text, make) {
  const opener = button(
    "",
    () => {
      const form = make();
      opener.closest(".actions").before(form);
      opener.remove();
      const field = form.querySelector("select, input");
      field.focus();
      field.select?.(); // what is typed replaces a text
    },
    text,
  );
  return opener;
}

/** A part of the dialog that is read from the replica when it is opened. */
function fold(title, read) {
  const inside = element("div", { role: "status" });
  const node = element("details.fold", element("summary", title), inside);
  node.addEventListener("toggle", () => {
    if (node.open) showProblem(inside, async () => inside.replaceChildren(...(await read())));
  });
  return node;
}
