// The bar of a class: whether the replicas send and commit writes by themselves, and the next step.

import { button, element, setText } from "../shared/dom.js";
import { isShortcut } from "./keys.js";

const PACES = ["auto", "manual"];

export class PaceBar {
  /** `set(pace)` changes the pace of all replicas, `step()` does what is due next, and `reset()` starts over, or is null. */
  constructor(node, { set, step, reset }) {
    this.choices = PACES.map((pace) =>
      button(".choice", () => set(pace), { "data-pace": pace, "aria-pressed": "false" }, pace),
    );
    this.step = button(".step", step, { hidden: "" }, "Step ", element("kbd", "S"));
    this.reset = reset && button(".startover", reset, "Start over");
    this.state = element("p.soft");
    node.append(
      element("span", "Pace"),
      element("div.choices", { role: "group", "aria-label": "Pace of all replicas" }, ...this.choices),
      ...[this.step, this.state, this.reset].filter(Boolean),
    );
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "s" && !event.shiftKey && !this.step.hidden && isShortcut(event)) step();
    });
  }

  /** Shows the pace of the replicas that answer. Returns whether one of them has manual pace. */
  show(followers) {
    const known = followers.filter(({ up }) => up === true);
    const paced = (pace) => known.filter(({ info }) => info.pace === pace).map(({ label }) => label);
    const manual = paced("manual");
    for (const choice of this.choices) {
      choice.setAttribute("aria-pressed", String(known.length > 0 && paced(choice.dataset.pace).length === known.length));
    }
    this.step.hidden = manual.length === 0;
    setText(this.state, wordsFor(manual, paced("auto")));
    return manual.length > 0;
  }
}

function wordsFor(manual, auto) {
  if (!manual.length) return "";
  if (!auto.length) return "Nothing is sent or committed by itself.";
  return `Manual pace at ${manual.join(", ")}, but auto at ${auto.join(", ")}.`;
}
