// The part of the form that makes a reservation a series.

import { element } from "../shared/dom.js";
import { addDays, shortDay } from "../shared/times.js";

export class Repeat {
  /** `onInput()` when something else is wanted. */
  constructor(onInput) {
    this.onInput = onInput;
    this.often = document.getElementById("repeat");
    this.more = document.getElementById("repeat-more");
    this.until = document.getElementById("until");
    this.except = document.getElementById("except");
    this.whole = document.getElementById("whole");
    this.excepted = []; // days on which there is none, in order
    for (const field of [this.often, this.until, this.whole]) {
      field.addEventListener("input", () => {
        this.more.hidden = !this.often.value;
        onInput();
      });
    }
    document.getElementById("leave-out").addEventListener("click", () => this.leaveOut());
    this.except.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // one more day, not the whole form
      this.leaveOut();
    });
  }

  /** Begin anew. */
  clear() {
    this.often.value = "";
    this.until.value = "";
    this.except.value = "";
    this.whole.checked = false;
    this.more.hidden = true;
    this.show([]);
  }

  /** The day in the field is one of those on which there is none. */
  leaveOut() {
    if (!this.except.value) return;
    this.show([...new Set([...this.excepted, this.except.value])].sort());
    this.except.value = "";
    this.onInput();
  }

  show(days) {
    this.excepted = days;
    document.getElementById("excepted").replaceChildren(...days.map((day) => this.makeDay(day)));
  }

  makeDay(day) {
    const name = shortDay(day);
    const remove = element("button", { type: "button", class: "remove", "aria-label": `Not without ${name}` }, "×");
    remove.addEventListener("click", () => {
      this.show(this.excepted.filter((other) => other !== day));
      this.onInput();
      this.except.focus();
    });
    return element("li", {}, element("span", { class: "day" }, `not on ${name}`), remove);
  }

  /** What the request says of it: {} for one reservation alone. `day` is that of its first time. Throws Missing. */
  asked(day) {
    if (!this.often.value) return {};
    if (!this.until.value || this.until.value <= day) {
      this.until.focus();
      throw new Missing(`Until when does it repeat? Choose a day after ${shortDay(day)}, such as ${addDays(day, 90)}.`);
    }
    this.leaveOut(); // chosen, and not yet added
    return {
      rule: `FREQ=${this.often.value};UNTIL=${this.until.value.replaceAll("-", "")}`,
      except: this.excepted,
      occurrences: this.whole.checked ? "all_or_nothing" : "best_effort",
    };
  }
}

/** Something has to be filled in first; the message says what. */
export class Missing extends Error {}
