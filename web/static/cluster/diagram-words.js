// What a diagram says about a mark or a frame.

import { clock, span } from "../shared/times.js";
import { stepWords } from "./replay.js";

export const SIGNS = {
  accepted: "+",
  received: "↓",
  rolled_back: "↶",
  replayed: "↷",
  committed: "✓",
  installed: "⇊",
  revoked: "✗",
};
const KINDS = {
  hello: "hello",
  batch: "writes",
  state_part: "part of a full state",
  state_end: "end of a full state",
  question: "question about writes",
  answer: "answer about writes",
  ack: "acknowledgement",
  holds: "what is held by now",
  sync: "question whether everything is sent",
  done: "end of the session",
  refuse: "refusal",
};
const MEMBERSHIP = "members/1";
const SAID = ["writes", "count", "csn", "vector", "server", "label", "clock"];

export class Words {
  /** `writes` is a Map of write id to its fields, `labelOf(server)` names a server, and `stampOf(stamp)` is a short text. */
  constructor(writes, { labelOf, stampOf, zone }) {
    this.writes = writes;
    this.labelOf = labelOf;
    this.stampOf = stampOf;
    this.zone = zone;
  }

  /** Short texts for a mark: whose write it is, the time that a reservation got, and its stamp. */
  caption(mark) {
    const write = this.writes.get(mark.write);
    if (!write) return { who: mark.what === "installed" ? "full state" : `${mark.count}×`, when: "", stamp: "" };
    const when = mark.result?.start ? clock(Date.parse(mark.result.start), this.zone) : "";
    return { who: whoOf(write), when, stamp: this.stamp(mark.write).replace(/^\d\d:/, "") }; // without the hour
  }

  /** What a mark is, as {title, lines}. Each line is [name, text]. */
  ofMark({ lane, mark }) {
    const what = mark.what.replace("_", " ");
    if (!mark.write) return { title: `${what} at ${lane}`, lines: this.several(mark) };
    const write = this.writes.get(mark.write);
    const lines = [
      ["state", mark.csn === null ? "tentative" : `committed as number ${mark.csn}`],
      ["stamp", `${this.stamp(mark.write)} of ${this.serverOf(mark.write)} (${mark.write})`],
    ];
    if (write) {
      lines.push(["pages", write.pages.join(", ")], ["check", write.check || "none"]);
      lines.push(["merge procedure", write.merge || "none"]);
    }
    if (mark.result?.start) lines.push(["has", `${mark.result.room} ${span(mark.result, this.zone)}`]);
    if (mark.before !== null && mark.before !== mark.outcome) lines.push(["outcome before", mark.before]);
    lines.push(["outcome", mark.no_effect ? `${mark.outcome} – without effect` : mark.outcome]);
    return { title: `${what} at ${lane}: ${this.write(mark.write)}`, lines };
  }

  /** The writes that a mark counts. Those that were rolled back or replayed are named, in order; of many, the first. */
  several({ count, writes }) {
    return [["writes", String(count)], ...writes.map((step) => [this.stamp(step.write), stepWords(step, this.zone)])];
  }

  /** What a frame carries, in the same form. */
  ofArrow({ sender, receiver, kind, carries, sent, received }) {
    const lines = [];
    if (sent === null || received === null) lines.push(["ends", "only one end of this frame is recorded"]);
    for (const { write, csn, body } of carries.writes ?? []) {
      const number = csn === null ? "" : `, committed as number ${csn}`;
      lines.push([body ? "write" : "notification", `${this.write(write)}${number} (${write})`]);
    }
    if (carries.count > (carries.writes?.length ?? 0)) lines.push(["in all", `${carries.count} writes`]);
    if (carries.csn !== undefined) lines.push(["CSN", String(carries.csn)]);
    if (carries.vector) {
      const entries = Object.entries(carries.vector);
      const text = entries.map(([server, stamp]) => `${this.labelOf(server)} ${this.stamp(stamp)}`).join(", ");
      lines.push(["V", text || "empty"]);
    }
    for (const [name, value] of Object.entries(carries)) {
      if (!SAID.includes(name)) lines.push([name.replace("_", " "), String(value)]);
    }
    return { title: `${KINDS[kind]}, from ${sender} to ${receiver}`, lines };
  }

  write(id) {
    const write = this.writes.get(id);
    if (!write) return `the write ${this.stamp(id)}`;
    return write.app === MEMBERSHIP ? write.op : `${write.user}’s ${write.op}`;
  }

  stamp(id) {
    return this.stampOf(id.split("@", 1)[0]);
  }

  serverOf(id) {
    return this.labelOf(id.slice(id.indexOf("@") + 1));
  }
}

function whoOf(write) {
  return write.app === MEMBERSHIP ? write.op : write.user;
}
