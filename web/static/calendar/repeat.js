// The part of the form that makes a reservation a series.

import { addDays, shortDay } from "../shared/times.js";

export class Repeat {
  /** `onInput()` when something else is wanted. */
  constructor(onInput) {
    this.often = document.getElementById("repeat");
    this.more = document.getElementById("repeat-more");
    this.until = document.getElementById("until");
    this.whole = document.getElementById("whole");
    for (const field of [this.often, this.until, this.whole]) {
      field.addEventListener("input", () => {
        this.more.hidden = !this.often.value;
        onInput();
      });
    }
  }

  /** Begin anew. */
  clear() {
    this.often.value = "";
    this.until.value = "";
    this.whole.checked = false;
    this.more.hidden = true;
  }

  /** What the request says of it: {} for one reservation alone. `day` is that of its first time. Throws Missing. */
  asked(day) {
    if (!this.often.value) return {};
    if (!this.until.value || this.until.value <= day) {
      this.until.focus();
      throw new Missing(`Until when does it repeat? Choose a day after ${shortDay(day)}, such as ${addDays(day, 90)}.`);
    }
    return {
      rule: `FREQ=${this.often.value};UNTIL=${this.until.value.replaceAll("-", "")}`,
      occurrences: this.whole.checked ? "all_or_nothing" : "best_effort",
    };
  }
}

/** Something has to be filled in first; the message says what. */
export class Missing extends Error {}
