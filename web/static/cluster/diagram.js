// The panel with the space-time diagram: live, or scrubbed back and forth by hand or at a speed.

import { button, element, setText } from "../shared/dom.js";
import { single } from "../shared/single.js";
import { draw } from "./diagram-drawing.js";
import { layOut } from "./diagram-layout.js";
import { SIGNS, Words } from "./diagram-words.js";
import { isShortcut } from "./keys.js";
import { Recording } from "./recording.js";
import { clockOfStamp } from "./vectors.js";

const COLUMNS_PER_S = 4; // at speed 1
const SPEEDS = [0.5, 1, 2, 4, 8, 16];
const READ_PAUSE_MS = 300;

export class Diagram {
  /** `node` is the section of the panel, and `toggle` the place for the button that opens it. */
  constructor(node, toggle, followers, { labelOf, zone }) {
    this.node = node;
    this.zone = zone;
    this.followers = followers;
    this.recording = null; // until the panel is opened for the first time
    this.labelOf = labelOf;
    this.layout = null;
    this.birth = null; // of the cluster that the diagram shows
    this.isLive = true;
    this.playing = null; // {timer, direction}
    this.opener = button(".opener", () => this.open(node.hidden), { "aria-expanded": "false" }, "Diagram ", element("kbd", "D"));
    toggle.append(this.opener);
    this.scrubber = element("input.scrubber", { type: "range", min: "0", max: "0", step: "1", "aria-label": "Time" });
    this.scrubber.addEventListener("input", () => this.scrubTo(Number(this.scrubber.value)));
    this.speed = element(
      "select",
      { "aria-label": "Speed" },
      ...SPEEDS.map((speed) => element("option", { value: String(speed) }, `${speed}×`)),
    );
    this.speed.value = "1";
    this.speed.addEventListener("change", () => this.playing && this.play(this.playing.direction));
    this.back = button(".play", () => this.toggle(-1), { "aria-pressed": "false", title: "Play backwards" }, "◀");
    this.forth = button(".play", () => this.toggle(1), { "aria-pressed": "false", title: "Play" }, "▶");
    this.live = button(".golive", () => this.follow(), { "aria-pressed": "true" }, "Live");
    this.note = element("p.soft.optional");
    this.names = element("div.names");
    this.view = element("div.view", { tabindex: "0", "aria-label": "Space-time diagram" });
    this.details = element("section.details", { "aria-live": "polite", hidden: "" });
    node.append(
      element("div.controls", this.back, this.scrubber, this.forth, this.speed, this.live, legend()),
      this.note,
      element("div.drawn", this.names, this.view, this.details),
    );
    this.read = single(() => this.readAndDraw(), READ_PAUSE_MS);
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "d" && !event.shiftKey && isShortcut(event)) this.open(node.hidden);
    });
  }

  open(isOpen) {
    this.node.hidden = !isOpen;
    this.opener.setAttribute("aria-expanded", String(isOpen));
    this.stop();
    if (isOpen) this.read();
  }

  /** Called when a replica may have done something. */
  look() {
    if (!this.node.hidden) this.read();
  }

  async readAndDraw() {
    this.forgetOtherCluster();
    this.recording ??= new Recording(this.followers);
    const hasNews = await this.recording.read();
    if (!hasNews && this.layout) return;
    const steps = this.recording.steps();
    this.layout = layOut(steps);
    const titles = steps.map(({ at }) => clockOfStamp(at, this.zone).slice(0, 8));
    const words = new Words(this.recording.writes, this.labelOf, this.zone);
    const { svg, names, left } = draw(this.layout, titles, words, (found, piece) => this.describe(found, piece));
    this.left = left;
    this.view.replaceChildren(svg);
    this.names.replaceChildren(names);
    const hint = "The frames of sessions are recorded with manual pace only, so this shows no arrows.";
    setText(this.note, this.recording.isRecording ? "" : hint);
    this.scrubber.max = String(this.layout.columns);
    if (this.isLive) this.showUpTo(this.layout.columns);
    else this.showUpTo(Number(this.scrubber.value));
  }

  /** Begins again when the replicas have started over as a new cluster. */
  forgetOtherCluster() {
    const birth = this.followers.map(({ info }) => info?.birth).find(Boolean) ?? this.birth;
    if (birth !== this.birth) {
      this.recording = this.layout = null;
      this.isLive = true;
    }
    this.birth = birth;
  }

  scrubTo(column) {
    this.stop();
    this.isLive = false;
    this.live.setAttribute("aria-pressed", "false");
    this.showUpTo(column);
  }

  follow() {
    this.stop();
    this.isLive = true;
    this.live.setAttribute("aria-pressed", "true");
    this.showUpTo(this.layout?.columns ?? 0);
  }

  /** Shows what is to the left of a column, and hides the rest. */
  showUpTo(column) {
    this.scrubber.value = String(column);
    if (!this.layout) return;
    for (const piece of this.view.querySelectorAll("[data-column]")) {
      piece.classList.toggle("later", Number(piece.dataset.column) >= column);
    }
    const x = this.left(column);
    const { scrollLeft, clientWidth } = this.view;
    if (x > scrollLeft + clientWidth || x < scrollLeft + clientWidth / 4) {
      this.view.scrollLeft = x - clientWidth * (this.isLive ? 1 : 0.75);
    }
  }

  toggle(direction) {
    if (this.playing?.direction === direction) this.stop();
    else this.play(direction);
  }

  play(direction) {
    const last = this.layout?.columns ?? 0;
    if (direction > 0 && Number(this.scrubber.value) >= last) this.scrubTo(0);
    this.scrubTo(Number(this.scrubber.value));
    const timer = setInterval(() => this.move(direction), 1000 / (COLUMNS_PER_S * Number(this.speed.value)));
    this.playing = { timer, direction };
    this.showPlaying();
  }

  move(direction) {
    const next = Number(this.scrubber.value) + direction;
    if (next < 0 || next > (this.layout?.columns ?? 0)) this.stop();
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
  const shown = ["accepted", "received", "rolled_back", "replayed", "committed"];
  return element("p.soft.signs", shown.map((what) => `${SIGNS[what]} ${what.replace("_", " ")}`).join("   "));
}
