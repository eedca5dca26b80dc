// A space-time diagram that can be scrubbed back and forth by hand or at a speed, and says what each piece of it is.

import { button, element } from "../shared/dom.js";
import { draw } from "./diagram-drawing.js";
import { layOut } from "./diagram-layout.js";
import { SIGNS } from "./diagram-words.js";

const COLUMNS_PER_S = 4; // at speed 1
const SPEEDS = [0.5, 1, 2, 4, 8, 16];

export class DiagramView {
  /** Fills `node`. The button `end`, of this name, goes to the end of the diagram, and stays there while it grows. */
  constructor(node, end) {
    this.left = () => 0; // the left side of a column in pixels
    this.isAtEnd = true;
    this.playing = null; // {timer, direction}
    this.scrubber = element("input.scrubber", { type: "range", min: "0", max: "0", step: "1", "aria-label": "Time" });
    this.scrubber.addEventListener("input", () => this.scrubTo(this.column));
    this.speed = element(
      "select",
      { "aria-label": "Speed" },
      ...SPEEDS.map((speed) => element("option", { value: String(speed) }, `${speed}×`)),
    );
    this.speed.value = "1";
    this.speed.addEventListener("change", () => this.playing && this.play(this.playing.direction));
    this.back = button(".play", () => this.toggle(-1), { "aria-pressed": "false", title: "Play backwards" }, "◀");
    this.forth = button(".play", () => this.toggle(1), { "aria-pressed": "false", title: "Play" }, "▶");
    this.end = button(".end", () => this.goToEnd(), { "aria-pressed": "true" }, end);
    this.note = element("p.soft.optional");
    this.names = element("div.names");
    this.view = element("div.view", { tabindex: "0", "aria-label": "Space-time diagram" });
    this.details = element("section.details", { "aria-live": "polite", hidden: "" });
    node.append(
      element("div.controls", this.back, this.scrubber, this.forth, this.speed, this.end, legend()),
      this.note,
      element("div.drawn", this.names, this.view, this.details),
    );
  }

  /** Draws these steps, each {lanes, title}, with `lanes` as layOut takes them. Returns what `draw` returns. */
  show(steps, words) {
    const layout = layOut(steps);
    const titles = steps.map(({ title }) => title);
    const drawn = draw(layout, titles, words, (found, piece) => this.describe(found, piece));
    this.left = drawn.left;
    this.view.replaceChildren(drawn.svg);
    this.names.replaceChildren(drawn.names);
    this.scrubber.max = String(layout.columns);
    this.showUpTo(this.isAtEnd ? layout.columns : this.column);
    return drawn;
  }

  get column() {
    return Number(this.scrubber.value);
  }

  get last() {
    return Number(this.scrubber.max);
  }

  scrubTo(column) {
    this.stop();
    this.isAtEnd = false;
    this.end.setAttribute("aria-pressed", "false");
    this.showUpTo(column);
  }

  goToEnd() {
    this.stop();
    this.isAtEnd = true;
    this.end.setAttribute("aria-pressed", "true");
    this.showUpTo(this.last);
  }

  /** Shows what is to the left of a column, and hides the rest. */
  showUpTo(column) {
    this.scrubber.value = String(column);
    for (const piece of this.view.querySelectorAll("[data-column]")) {
      piece.classList.toggle("later", Number(piece.dataset.column) >= column);
    }
    const x = this.left(column);
    const { scrollLeft, clientWidth } = this.view;
    if (x > scrollLeft + clientWidth || x < scrollLeft + clientWidth / 4) {
      this.view.scrollLeft = x - clientWidth * (this.isAtEnd ? 1 : 0.75);
    }
  }

  toggle(direction) {
    if (this.playing?.direction === direction) this.stop();
    else this.play(direction);
  }

  play(direction) {
    this.scrubTo(direction > 0 && this.column >= this.last ? 0 : this.column);
    const timer = setInterval(() => this.move(direction), 1000 / (COLUMNS_PER_S * Number(this.speed.value)));
    this.playing = { timer, direction };
    this.showPlaying();
  }

  move(direction) {
    const next = this.column + direction;
    if (next < 0 || next > this.last) this.stop();
    else this.showUpTo(next);
  }

  stop() {
    clearInterval(this.playing?.timer);
    this.playing = null;
    this.showPlaying();
  }

  showPlaying() {
    for (const [key, direction] of [[this.back, -1], [this.forth, 1]]) {
      key.setAttribute("aria-pressed", String(this.playing?.direction === direction));
    }
  }

  describe({ title, lines }, piece) {
    this.view.querySelector(".chosen")?.classList.remove("chosen");
    piece.classList.add("chosen");
    const facts = lines.flatMap(([name, text]) => [element("dt", name), element("dd", text)]);
    this.details.replaceChildren(element("h3", title), element("dl", ...facts));
    this.details.hidden = false;
  }
}

function legend() {
  const signs = Object.entries(SIGNS).map(([what, sign]) => `${sign} ${what.replace("_", " ")}`);
  return element("p.soft.signs", signs.join("   "));
}
