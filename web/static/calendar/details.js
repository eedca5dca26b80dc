// One reservation in a dialog: whose it is, how certain, its series and its history; and, if it is mine, moving it and
// its end.

import { element, setText } from "../shared/dom.js";
import { Refused, Silent, ask } from "../shared/rest.js";
import { dayOf, longDay, shortDay, span } from "../shared/times.js";
import { SIGNS, plural } from "../shared/words.js";
import { factsOf, ruleWords } from "./facts.js";
import { makeHistory } from "./history.js";
import { makeMover } from "./mover.js";
import { randomName, reservationPath, seriesPath } from "./paths.js";

const MEANINGS = {
  committed: "Final: it will not move any more.",
  tentative: "Not final yet: an earlier reservation may still turn up and move it.",
  rejected: "It has no place.",
  cancelled: "It was cancelled.",
};
const STANDING = ["committed", "tentative", "rejected"];

export class Details {
  /** `roomOf(name)` gives what is known of a room, `names()` all rooms'; `on.changed()` after it was changed here. */
  constructor(node, { roomOf, names }, on) {
    this.node = node;
    this.roomOf = roomOf;
    this.names = names;
    this.on = on;
    this.said = element("p", { role: "alert" });
    node.addEventListener("close", () => node.replaceChildren());
  }

  async open(id, me) {
    this.me = me;
    setText(this.said, "");
    try {
      this.reservation = await ask("", "GET", reservationPath(id));
    } catch (problem) {
      this.show([element("h3", { id: "details-title" }, "Not to be had"), element("p", {}, wordsOf(problem))], []);
      return;
    }
    const { reservation } = this;
    const parts = [...this.words(reservation), this.foldOfHistory(reservation)];
    if (reservation.occurrence) parts.push(this.foldOfSeries(reservation));
    const mine = reservation.user === me.name;
    const standing = STANDING.includes(reservation.state);
    const actions = standing && (mine || me.role === "manager") ? this.actions(reservation, mine) : [];
    this.show([...parts, this.said], actions);
  }

  words({ user, room, slot, purpose, state, reason, asked }) {
    const zone = this.zoneOf(room);
    const moved = slot && (asked[0].start !== slot.start || asked[0].room !== room);
    const facts = factsOf(this.roomOf(room)).join(" · ");
    const rows = [
      ["Room", room, facts],
      ["When", slot ? `${longDay(dayOf(slot, zone))}, ${span(slot, zone)}` : "–"],
      ["Who", user],
      moved ? ["Asked first", `${asked[0].room}, ${shortDay(dayOf(asked[0], zone))} ${span(asked[0], zone)}`] : null,
      reason ? ["Why", reason.message] : null,
    ];
    return [
      element("h3", { id: "details-title" }, purpose || "Reservation"),
      element("p", { class: "state" }, element("i", { class: `shape ${state}` }, SIGNS[state]), ` ${MEANINGS[state]}`),
      element(
        "dl",
        {},
        ...rows
          .filter(Boolean)
          .flatMap(([name, text, more]) => [
            element("dt", {}, name),
            element("dd", {}, text, more ? element("small", {}, more) : null),
          ]),
      ),
    ];
  }

  /** What I may do with it: moving is for its owner, cancelling for managers too. */
  actions(reservation, mine) {
    const one = button("Cancel this reservation", "danger", () => this.end("one"));
    const later = button("Cancel this and later ones", "danger", () => this.end("later"));
    if (reservation.occurrence) setText(one, "Cancel this one");
    if (!mine) return [this.reasonField(), one];
    const open = button("Move …", "", () => {
      const zone = this.zoneOf(reservation.room);
      const mover = makeMover(reservation, this.names(), zone, {
        send: (reach, body) => this.move(reach, body),
        complain: (text) => setText(this.said, text),
      });
      open.closest(".actions").before(mover);
      open.remove();
      mover.querySelector("select").focus();
    });
    return reservation.occurrence ? [open, one, later] : [open, one];
  }

  reasonField() {
    this.reason = element("input", { maxlength: "200", required: "" });
    return element("label", { class: "reason" }, "Reason, kept with it ", this.reason);
  }

  foldOfHistory(reservation) {
    return fold("What happened", async () =>
      makeHistory(
        await ask("", "GET", `${reservationPath(reservation.id)}/history`),
        this.zoneOf(reservation.room),
      ),
    );
  }

  foldOfSeries(reservation) {
    return fold("Its series", async () => {
      const { series } = await ask("", "GET", seriesPath(reservation));
      const held = series.reservations;
      const standing = held.filter(({ slot }) => slot).length;
      return [
        element("p", {}, `${ruleWords(series.rule)}; ${standing} of ${plural(held.length, "occurrence")} stand`),
        element("ol", {}, ...held.map((one) => this.makeOccurrence(one, one.id === reservation.id))),
      ];
    });
  }

  makeOccurrence({ id, room, slot, state, occurrence }, here) {
    const zone = this.zoneOf(room);
    const day = slot ? dayOf(slot, zone) : occurrence;
    const words = slot ? `${shortDay(day)} ${span(slot, zone)} ${room}` : `${shortDay(day)} – no place`;
    const link = button(words, "link", () => {
      this.on.look(day, room);
      this.open(id, this.me);
    });
    if (here) link.setAttribute("aria-current", "true");
    return element("li", {}, element("i", { class: `shape ${state}` }, SIGNS[state]), link);
  }

  show(parts, actions) {
    const close = button("Close", "", () => this.node.close());
    close.setAttribute("autofocus", "");
    this.node.replaceChildren(...parts, element("div", { class: "actions" }, ...actions, close));
    if (!this.node.open) this.node.showModal();
    close.focus();
  }

  move(reach, body) {
    const { reservation } = this;
    const later = reach === "later";
    const path = later ? `${seriesPath(reservation)}?from=${reservation.occurrence}` : reservationPath(reservation.id);
    return this.attempt("PATCH", path, { ...body, request: randomName() });
  }

  end(reach) {
    const { reservation } = this;
    const query = new URLSearchParams();
    if (reach === "later") query.set("from", reservation.occurrence);
    if (reservation.user !== this.me.name) {
      if (!this.reason.value.trim()) {
        setText(this.said, "Say why: its owner will read it.");
        this.reason.focus();
        return undefined;
      }
      query.set("reason", this.reason.value.trim());
    }
    const path = reach === "later" ? seriesPath(reservation) : reservationPath(reservation.id);
    return this.attempt("DELETE", query.size ? `${path}?${query}` : path);
  }

  async attempt(method, path, body) {
    try {
      await ask("", method, path, { body, user: this.me.name });
      this.node.close();
      this.on.changed();
    } catch (problem) {
      setText(this.said, wordsOf(problem));
    }
  }

  zoneOf(room) {
    return this.roomOf(room).timezone;
  }
}

/** Something that is read when it is opened. */
function fold(title, read) {
  const inside = element("div", { role: "status" });
  const node = element("details", { class: "fold" }, element("summary", {}, title), inside);
  node.addEventListener("toggle", async () => {
    if (!node.open) return;
    try {
      inside.replaceChildren(...(await read()));
    } catch (problem) {
      setText(inside, wordsOf(problem));
    }
  });
  return node;
}

function button(text, kind, onClick) {
  const node = element("button", { type: "button", class: kind || null }, text);
  node.addEventListener("click", onClick);
  return node;
}

/** What a person reads of a refusal or of silence; anything else is a fault and goes on. */
function wordsOf(problem) {
  if (problem instanceof Silent) return "The replica does not answer. Try again when it is back.";
  if (problem instanceof Refused) return problem.message;
  throw problem;
}
