// The part of the form that makes a reservation a series.

import { button, byId, element } from "../shared/dom.js";
import { addDays, shortDay } from "../shared/times.js";

export class Repeat {
  /** `onInput()` runs when something changes. */
  constructor(onInput) {
    this.onInput = onInput;
    this.often = byId("repeat");
    this.more = byId("repeat-more");
    this.until = byId("until");
    this.except = byId("except");
    this.whole = byId("whole");
    this.excepted = []; // the days that are left out, in order
    for (const field of [this.often, this.until, this.whole]) {
      field.addEventListener("input", () => {
        this.more.hidden = !this.often.value;
        onInput();
      });
    }
    byId("leave-out").addEventListener("click", () => this.leaveOut());
    this.except.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // adds a day, does not submit the form
      this.leaveOut();
    });
  }

  clear() {
    this.often.value = "";
    this.until.value = "";
    this.except.value = "";
    this.whole.checked = false;
    this.more.hidden = true;
    this.show([]);
  }

  /** Leaves out the day in the field. */
  leaveOut() {
    if (!this.except.value) return;
    this.show([...new Set([...this.excepted, this.except.value])].sort());
    this.except.value = "";
    this.onInput();
  }

  show(days) {
    this.excepted = days;
    byId("excepted").replaceChildren(...days.map((day) => this.makeDay(day)));
  }

  makeDay(day) {
    const name = shortDay(day);
    const restore = () => {
      this.show(this.excepted.filter((other) => other !== day));
      this.onInput();
      this.except.focus();
    };
    const remove = button(".remove.plain", restore, { "aria-label": `Do not leave out ${name}` }, "×");
    return element("li", element("span.day.clipped", `not on ${name}`), remove);
  }

  /** The sentence that asks for a last day if there is none after `day`, the day of the first time; else null. */
  missing(day) {
    if (!this.often.value || this.until.value > day) return null;
    this.until.focus();
    return `Until when does it repeat? Choose a day after ${shortDay(day)}, such as ${addDays(day, 90)}.`;
  }

  /** The fields of the request that make a series; {} for a single reservation. */
  asked() {
    if (!this.often.value) return {};
    this.leaveOut(); // in case a day was chosen but not added
    return {
      rule: `FREQ=${this.often.value};UNTIL=${this.until.value.replaceAll("-", "")}`,
      except: this.excepted,
      occurrences: this.whole.checked ? "all_or_nothing" : "best_effort",
    };
  }
}
