// The panel with the space-time diagram of the cluster: live, or scrubbed back and forth.

import { button, element, setText } from "../shared/dom.js";
import { single } from "../shared/single.js";
import { DiagramView } from "./diagram-view.js";
import { Words } from "./diagram-words.js";
import { isShortcut } from "./keys.js";
import { Recording } from "./recording.js";
import { clockOfStamp } from "./vectors.js";

const READ_PAUSE_MS = 300;

export class Diagram {
  /** `node` is the section of the panel, and `toggle` the place for the button that opens it. */
  constructor(node, toggle, followers, { labelOf, zone }) {
    this.node = node;
    this.followers = followers;
    this.recording = null; // until the panel is opened for the first time
    this.labelOf = labelOf;
    this.zone = zone;
    this.birth = null; // of the cluster that the diagram shows
    this.opener = button(".opener", () => this.open(node.hidden), { "aria-expanded": "false" }, "Diagram ", element("kbd", "D"));
    toggle.append(this.opener);
    this.view = new DiagramView(node, "Live");
    this.read = single(() => this.readAndDraw(), READ_PAUSE_MS);
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() === "d" && !event.shiftKey && isShortcut(event)) this.open(node.hidden);
    });
  }

  open(isOpen) {
    this.node.hidden = !isOpen;
    this.opener.setAttribute("aria-expanded", String(isOpen));
    this.view.stop();
    if (isOpen) this.read();
  }

  /** Called when a replica may have done something. */
  look() {
    if (!this.node.hidden) this.read();
  }

  async readAndDraw() {
    this.forgetOtherCluster();
    const isFirst = this.recording === null;
    this.recording ??= new Recording(this.followers);
    const hasNews = await this.recording.read();
    if (!hasNews && !isFirst) return;
    const stampOf = (stamp) => clockOfStamp(stamp, this.zone);
    const steps = this.recording.steps().map(({ at, lanes }) => ({ lanes, title: stampOf(at).slice(0, 8) }));
    this.view.show(steps, new Words(this.recording.writes, { labelOf: this.labelOf, stampOf, zone: this.zone }));
    const hint = "This diagram has no arrows: replicas record the frames of sessions only at manual pace.";
    setText(this.view.note, this.recording.isRecording ? "" : hint);
  }

  /** Begins again when the replicas have started over as a new cluster. */
  forgetOtherCluster() {
    const birth = this.followers.map(({ info }) => info?.birth).find(Boolean) ?? this.birth;
    if (birth !== this.birth) {
      this.recording = null;
      this.view.goToEnd();
    }
    this.birth = birth;
  }
}
