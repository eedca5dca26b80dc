// What the user asks for: up to three times of one room, in order of preference, and what to do if none is free. Up to
// three other rooms are instead of it at the first time, or together with it.

import { button, byId, element, onSubmit, setMessage, setText } from "../shared/dom.js";
import { Refused, sentenceFor } from "../shared/rest.js";
import { addDays, clock, dayAndSpan, dayStart, iso, roomAndSlot, shortDay, span, wallClock } from "../shared/times.js";
import { plural } from "../shared/words.js";
import { factsOf, nameOf, roomsOf, ruleWords } from "./facts.js";
import { randomName } from "./paths.js";
import { endAt, startAt } from "./period.js";
import { Repeat } from "./repeat.js";

const CHOICES_MAX = 3; // times, and other rooms
const NAMED_MAX = 3; // reservations in the way that a sentence names
const WINDOW_MIN = 24 * 60; // how far from the first time `nearest_free_time` may look, within the day
const SILENT = "The replica does not answer. Try again when it is back; nothing is reserved twice.";

export class Form {
  /**
   * `roomOf(name)` gives what is known of a room. `on.change()` runs when choices change, `on.done()` when one is made;
   * `on.write(method, path, body)` asks the replica.
   */
  constructor(me, roomOf, on) {
    this.me = me;
    this.roomOf = roomOf;
    this.zoneOf = (name) => roomOf(name).timezone;
    this.on = on;
    this.choices = []; // {room, start, end}
    this.rooms = []; // others: {name, together}; without `together`, one that will do at the first time if none is free
    this.request = null;
    this.last = null; // the id of what was reserved or moved last
    this.done = ""; // what was done with it
    this.node = byId("form");
    onSubmit(this.node, () => this.reserve());
    byId("clear").addEventListener("click", () => this.clear());
    byId("all-day").addEventListener("click", () => this.stretch((choice) => this.wholeDays(choice)));
    byId("last-day").addEventListener("input", () => this.stretch((choice) => this.untilDay(choice)));
    this.repeat = new Repeat(() => (this.request = null));
    for (const id of ["purpose", "owner", "merge"]) byId(id).addEventListener("input", () => (this.request = null));
  }

  add(room, start, end) {
    if (this.choices.length && this.choices[0].room !== room) {
      this.addRoom(room, start, end);
    } else if (this.choices.length === CHOICES_MAX) {
      this.say(`There are ${CHOICES_MAX} times already. Remove one first.`);
    } else {
      this.say("");
      this.choices.push({ room, start, end });
      this.changed();
    }
  }

  /** Adds another room, which will do instead at the first time: for other times a request takes none. */
  addRoom(room, start, end) {
    const [first] = this.choices;
    const times = span({ start: iso(first.start), end: iso(first.end) }, this.zoneOf(first.room));
    if (start >= first.end || first.start >= end) {
      this.say(`Other rooms are tried only at your first choice, ${times}. Clear that choice to begin with ${room}.`);
    } else if (this.rooms.length === CHOICES_MAX) {
      this.say(`There are ${CHOICES_MAX} other rooms already. Remove one first.`);
    } else {
      this.say("");
      this.rooms.push({ name: room, together: false });
      this.changed();
    }
  }

  /**
   * Everything that is chosen, with its number in the list: [{number, room, start, end}]. A room that is wanted together
   * with the first one has all times, any other room only the first time.
   */
  get wanted() {
    const times = this.choices.map((choice, index) => ({ ...choice, number: index + 1 }));
    const others = this.rooms.flatMap(({ name, together }, index) => {
      const number = times.length + index + 1;
      return (together ? times : times.slice(0, 1)).map((time) => ({ ...time, room: name, number }));
    });
    return [...times, ...others];
  }

  /** The room that is asked for: that of the times, and those together with it. */
  get room() {
    return nameOf([this.choices[0].room, ...this.rooms.filter(({ together }) => together).map(({ name }) => name)]);
  }

  /** The names of the rooms that will do instead. */
  get instead() {
    return this.rooms.filter(({ together }) => !together).map(({ name }) => name);
  }

  drop(number) {
    if (number > this.choices.length) this.rooms.splice(number - this.choices.length - 1, 1);
    else this.choices.splice(number - 1, 1);
    if (this.choices.length === 0) this.rooms = [];
    this.changed();
  }

  clear() {
    this.choices = [];
    this.rooms = [];
    this.repeat.clear();
    this.say("");
    this.changed();
  }

  say(text, good = false) {
    const answer = byId("answer");
    answer.classList.toggle("good", good);
    setMessage(answer, text);
  }

  changed() {
    this.request = null;
    const room = this.choices.length ? this.room : null;
    setText(byId("form-title"), room ? `Reserve ${room}` : "Reserve");
    setText(byId("facts-of-choice"), room ? factsOf(this.roomOf(room)).join(" · ") : "");
    this.node.classList.toggle("open", this.choices.length > 0);
    byId("hint").hidden = this.choices.length > 0;
    byId("rest").hidden = this.choices.length === 0;
    const [first] = this.choices;
    byId("last-day").value = first ? wallClock(first.end - 1, this.zoneOf(room)).day : "";
    byId("choices").replaceChildren(
      ...this.choices.map((choice, index) => this.makeChoice(choice, index + 1)),
      ...this.rooms.map((other, index) => this.makeRoom(other, this.choices.length + index + 1)),
    );
    byId("merge").closest("label").hidden = this.instead.length > 0;
    this.on.change();
  }

  /** Changes the ends of all times. `ends(choice)` gives them as {start, end}; null where that is not possible. */
  stretch(ends) {
    const found = this.choices.map(ends);
    if (found.some((each) => each === null || each.end <= each.start)) {
      this.say("The last day cannot be before the first one."); // what is being typed stays
      return;
    }
    this.choices = this.choices.map((choice, index) => ({ ...choice, ...found[index] }));
    this.say("");
    this.changed();
  }

  /** From the opening of the room, or of all rooms, on the first day to the closing on the last one. */
  wholeDays({ start, end }) {
    const { timezone: zone, opens, closes } = this.roomOf(this.room);
    const [day, last] = [wallClock(start, zone).day, wallClock(end - 1, zone).day];
    return {
      start: opens ? startAt(day, opens, zone) : dayStart(day, zone),
      end: closes && closes !== "24:00" ? startAt(last, closes, zone) : dayStart(addDays(last, 1), zone),
    };
  }

  /** The same times of day, up to the day in the field. */
  untilDay({ room, start, end }) {
    const [zone, day] = [this.zoneOf(room), byId("last-day").value];
    if (!day) return { start, end };
    const until = endAt(day, clock(end, zone), zone);
    return until === null ? null : { start, end: until };
  }

  makeChoice(choice, number) {
    const zone = this.zoneOf(choice.room);
    const [day, last] = [choice.start, choice.end - 1].map((moment) => wallClock(moment, zone).day);
    return element(
      "li",
      element("b.number", number),
      element("span.day.clipped", shortDay(day)),
      this.makeTime(choice, "start", `Start of time ${number}`, day, zone),
      "–",
      last === day ? null : element("span.day.clipped", shortDay(last)),
      this.makeTime(choice, "end", `End of time ${number}`, last, zone),
      button(".remove.plain", () => this.drop(number), { "aria-label": `Remove time ${number}` }, "×"),
    );
  }

  /** Another room, and whether it is wanted instead or together with the first one. */
  makeRoom(other, number) {
    const { name, together } = other;
    const how = element(
      "select.plain",
      { "aria-label": `What ${name} is for` },
      element("option", { value: "instead", selected: together ? null : "" }, "if none is free"),
      element("option", { value: "together", selected: together ? "" : null }, "together"),
    );
    how.addEventListener("change", () => {
      other.together = how.value === "together";
      this.say("");
      this.changed();
      byId("choices").querySelector(`[aria-label="${CSS.escape(`What ${name} is for`)}"]`)?.focus();
    });
    return element(
      "li",
      element("b.number", number),
      element("span.day.clipped", name),
      how,
      button(".remove.plain", () => this.drop(number), { "aria-label": `Remove ${name}` }, "×"),
    );
  }

  /** A field for one end, to the minute: the grid has half hours only. */
  makeTime(choice, end, label, day, zone) {
    const value = clock(choice[end], zone);
    const field = element("input.plain", { inputmode: "numeric", maxlength: "5", "aria-label": label, value });
    field.addEventListener("change", () => {
      const moment = end === "end" ? endAt(day, field.value, zone) : startAt(day, field.value, zone);
      const next = { ...choice, [end]: moment };
      if (moment !== null && next.start < next.end) {
        Object.assign(choice, next);
        this.request = null;
        this.say("");
        this.on.change();
      } else {
        const typed = field.value || "Nothing";
        this.say(`${typed} cannot be the ${end} here. Write a time like 09:15. The end must be after the start.`);
      }
      field.value = clock(choice[end], zone);
    });
    return field;
  }

  get merge() {
    const name = byId("merge").value;
    if (this.instead.length) return { name: "another_room", rooms: this.instead };
    return name === "nearest_free_time" ? { name, window_min: WINDOW_MIN } : name;
  }

  async reserve() {
    if (!this.choices.length || !this.me.require()) return;
    const [first] = this.choices;
    const missing = this.repeat.missing(wallClock(first.start, this.zoneOf(first.room)).day);
    if (missing) {
      this.say(missing);
      return;
    }
    // The same request is sent until there is an answer, so a lost answer makes no second reservation.
    this.request ??= randomName();
    const body = {
      room: this.room,
      slots: this.choices.map(({ start, end }) => ({ start: iso(start), end: iso(end) })),
      purpose: byId("purpose").value.trim(),
      ...(byId("owner").value.trim() ? { owner: byId("owner").value.trim() } : {}),
      merge: this.merge,
      request: this.request,
      ...this.repeat.asked(),
    };
    this.node.setAttribute("aria-busy", "true");
    try {
      this.made(await this.on.write("POST", "/reservations", body));
    } catch (problem) {
      this.say(problem instanceof Refused ? this.refusal(problem) : sentenceFor(problem, SILENT));
      const next = problem.details?.next_free;
      if (next) byId("answer").append(" ", this.makeTake(next));
    } finally {
      this.node.setAttribute("aria-busy", "false");
    }
  }

  /** Says what came of a move. `send()` asks for it, and returns the reservation. */
  async change(send) {
    try {
      const answer = await send();
      this.last = answer.id;
      this.done = "Moved to";
      this.sayDone(answer);
      this.on.done();
    } catch (problem) {
      this.say(problem instanceof Refused ? this.refusal(problem) : sentenceFor(problem));
    }
  }

  made(answer) {
    this.choices = [];
    this.rooms = [];
    byId("purpose").value = "";
    byId("owner").value = "";
    this.repeat.clear();
    this.changed();
    this.last = answer.series ? null : answer.id;
    const { owner } = answer.series ?? answer;
    this.done = owner === this.me.name ? "Reserved" : `Reserved for ${owner}:`;
    if (answer.series) this.saySeries(answer.series);
    else this.sayDone(answer);
    this.on.done();
  }

  saySeries({ rule, reservations }) {
    const placed = reservations.filter(({ slot }) => slot);
    const moved = placed.filter(({ slot, asked }) => slot.start !== asked[0].start).length;
    const parts = [`${this.done} ${placed.length} of ${reservations.length}, ${ruleWords(rule)}.`];
    if (moved) parts.push(`${plural(moved, "occurrence")} did not get the first choice.`);
    if (placed.length < reservations.length) parts.push("The occurrences without a slot are below.");
    if (placed.some(({ state }) => state === "tentative")) parts.push("Not final yet: occurrences can still move.");
    this.say(parts.join(" "), true);
  }

  /** Says again what was reserved or moved last when it has become final, or has moved. */
  follow(reservations) {
    const last = reservations.find(({ id }) => id === this.last);
    if (last && this.choices.length === 0) this.sayDone(last);
  }

  sayDone({ room, slot, state }) {
    const where = slot && roomAndSlot({ room, ...slot }, this.zoneOf(room));
    const final = `✓ ${this.done} ${where}. The reservation is final.`;
    const tentative = `? ${this.done} ${where}. Not final yet: the reservation can still move.`;
    this.say(slot ? (state === "committed" ? final : tentative) : "", true);
  }

  refusal({ code, message, details }) {
    if (code !== "slot_taken") return message;
    if (details.occurrences?.length) {
      const days = details.occurrences.map(shortDay).join(", ");
      return `No free slot on ${days}. Nothing was reserved. Choose another time, or reserve only the occurrences that find a slot.`;
    }
    const taken = details.taken ?? [];
    const named = taken.slice(0, NAMED_MAX).map((one) => `${one.owner} has ${roomAndSlot(one, this.zoneOf(one.room))}`);
    if (taken.length > NAMED_MAX) named.push(`and ${taken.length - NAMED_MAX} more`);
    const next = details.next_free;
    const free = next ? ` The next free time in ${next.room} is ${dayAndSpan(next, this.zoneOf(next.room))}.` : "";
    return `No slot that your request allows is free: ${named.join("; ")}.${free} Nothing was changed.`;
  }

  /** A button that asks for this slot instead. */
  makeTake({ room, start, end }) {
    const take = () => {
      const [first, ...others] = roomsOf(room);
      this.rooms = others.map((name) => ({ name, together: true }));
      this.choices = [{ room: first, start: Date.parse(start), end: Date.parse(end) }];
      this.say("");
      this.changed();
      this.node.querySelector("[type=submit]").focus();
    };
    return button("", take, `Choose ${dayAndSpan({ start, end }, this.zoneOf(room))}`);
  }
}
