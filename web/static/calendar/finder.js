// Finds a room by time, seats and features. The replica says which rooms are free; choosing one fills the form.

import { button, element, onSubmit, setMessage } from "../shared/dom.js";
import { ask, sentenceFor } from "../shared/rest.js";
import { clockOfMinutes, iso, longDay, wallClock } from "../shared/times.js";
import { factsOf } from "./facts.js";
import { NO_PERIOD, periodOf } from "./period.js";

const LENGTH_MIN = 60;

export class Finder {
  /** `source` has the rooms and their time zone. `on.choose(room name, start, end, day)` runs when one is chosen. */
  constructor(node, source, on) {
    this.node = node;
    this.source = source;
    this.on = on;
    this.said = node.querySelector("[role=status]");
    this.found = node.querySelector("ol");
    const form = node.querySelector("form");
    this.fields = form.elements;
    onSubmit(form, () => this.find());
    form.addEventListener("input", () => this.say(""));
    node.querySelector(".close").addEventListener("click", () => node.close());
  }

  /** Opens the search, with the day that is shown. */
  open(day) {
    const { day: today, minutes } = wallClock(Date.now(), this.source.timezone);
    const next = day === today ? Math.min(Math.ceil(minutes / 30) * 30, 22 * 60) : 9 * 60;
    this.fields.day.value = day < today ? today : day;
    this.fields.from.value = clockOfMinutes(next);
    this.fields.to.value = clockOfMinutes(next + LENGTH_MIN);
    this.showFeatures();
    this.say("");
    this.node.showModal();
    this.fields.day.focus();
  }

  showFeatures() {
    const names = [...new Set(this.source.rooms.flatMap(({ features }) => features ?? []))].sort();
    const group = this.node.querySelector("fieldset");
    group.hidden = names.length === 0;
    group.replaceChildren(
      element("legend", "With"),
      ...names.map((name) =>
        element("label", element("input", { type: "checkbox", name: "feature", value: name }), ` ${name}`),
      ),
    );
  }

  say(text, ...found) {
    setMessage(this.said, text);
    this.found.replaceChildren(...found);
  }

  async find() {
    const { day, from, to, seats } = this.fields;
    const period = periodOf(day.value, from.value, to.value, this.source.timezone);
    if (period === null) {
      this.say(NO_PERIOD);
      return;
    }
    const features = [...this.node.querySelectorAll("[name=feature]:checked")].map(({ value }) => value);
    const query = new URLSearchParams({ from: iso(period.start), to: iso(period.end) });
    if (seats.value) query.set("capacity", seats.value);
    if (features.length) query.set("features", features.join(","));
    try {
      const { rooms } = await ask("", "GET", `/rooms/free?${query}`);
      this.show(rooms, period, day.value);
    } catch (problem) {
      this.say(sentenceFor(problem));
    }
  }

  show(rooms, { start, end }, day) {
    const when = `${longDay(day)}, ${this.fields.from.value}–${this.fields.to.value}`;
    const none = `No such room is free on ${when}. Ask for fewer seats, or another time.`;
    const found = rooms.map((room) => {
      const take = () => {
        this.node.close();
        this.on.choose(room.name, start, end, day);
      };
      const facts = element("span.note", factsOf(room).join(" · "));
      return element("li", button("", take, element("b", room.name), facts));
    });
    this.say(rooms.length ? `Free on ${when}:` : none, ...found);
  }
}
