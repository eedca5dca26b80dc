// Finding a room: when, how many seats, with what. The replica says which are free; choosing one fills the form.

import { element, setText } from "../shared/dom.js";
import { Refused, Silent, ask } from "../shared/rest.js";
import { clockOfMinutes, iso, longDay, wallClock } from "../shared/times.js";
import { factsOf } from "./facts.js";
import { NO_PERIOD, periodOf } from "./period.js";

const LENGTH_MIN = 60;

export class Finder {
  /** `on.choose(room name, start, end, day)`; `source` has rooms and their zone. */
  constructor(node, source, on) {
    this.node = node;
    this.source = source;
    this.on = on;
    this.said = node.querySelector("[role=status]");
    this.found = node.querySelector("ol");
    this.fields = node.querySelector("form").elements;
    node.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.find();
    });
    node.querySelector("form").addEventListener("input", () => this.clear());
    node.querySelector(".close").addEventListener("click", () => node.close());
  }

  /** Begin with the day that is looked at. */
  open(day) {
    const { day: today, minutes } = wallClock(Date.now(), this.source.timezone);
    const next = day === today ? Math.min(Math.ceil(minutes / 30) * 30, 22 * 60) : 9 * 60;
    this.fields.day.value = day < today ? today : day;
    this.fields.from.value = clockOfMinutes(next);
    this.fields.to.value = clockOfMinutes(next + LENGTH_MIN);
    this.showFeatures();
    this.clear();
    this.node.showModal();
    this.fields.day.focus();
  }

  showFeatures() {
    const names = [...new Set(this.source.rooms.flatMap(({ features }) => features ?? []))].sort();
    const group = this.node.querySelector("fieldset");
    group.hidden = names.length === 0;
    group.replaceChildren(
      element("legend", {}, "With"),
      ...names.map((name) =>
        element("label", {}, element("input", { type: "checkbox", name: "feature", value: name }), ` ${name}`),
      ),
    );
  }

  clear() {
    setText(this.said, "");
    this.found.replaceChildren();
  }

  async find() {
    const { day, from, to, seats } = this.fields;
    const zone = this.source.timezone;
    const period = periodOf(day.value, from.value, to.value, zone);
    if (period === null) {
      this.clear();
      setText(this.said, NO_PERIOD);
      return;
    }
    const { start, end } = period;
    const features = [...this.node.querySelectorAll("[name=feature]:checked")].map(({ value }) => value);
    const query = new URLSearchParams({ from: iso(start), to: iso(end) });
    if (seats.value) query.set("capacity", seats.value);
    if (features.length) query.set("features", features.join(","));
    try {
      const { rooms } = await ask("", "GET", `/rooms/free?${query}`);
      this.show(rooms, start, end, day.value);
    } catch (problem) {
      if (!(problem instanceof Silent || problem instanceof Refused)) throw problem;
      this.clear();
      setText(this.said, problem instanceof Silent ? "The replica does not answer. Try again later." : problem.message);
    }
  }

  show(rooms, start, end, day) {
    const when = `${longDay(day)}, ${this.fields.from.value}–${this.fields.to.value}`;
    setText(
      this.said,
      rooms.length ? `Free on ${when}:` : `No such room is free on ${when}. Ask for fewer seats, or another time.`,
    );
    this.found.replaceChildren(
      ...rooms.map((room) => {
        const take = element(
          "button",
          { type: "button", "data-room": room.name },
          element("b", {}, room.name),
          element("span", {}, factsOf(room).join(" · ")),
        );
        take.addEventListener("click", () => {
          this.node.close();
          this.on.choose(room.name, start, end, day);
        });
        return element("li", {}, take);
      }),
    );
  }
}
