// The column of one replica: its counters, its vectors, and its log, in which one sees roll back and replay.

import { element, setText, shape } from "../shared/dom.js";
import { plural } from "../shared/words.js";
import { difference } from "./log.js";
import { STEP_MS, GIVE_WAY_MS, flash, isCalm, pause, slide, travel } from "./motion.js";
import { fill, makeRow } from "./row.js";
import { fillVectors } from "./vectors.js";

const ROWS_MAX = 80; // earlier committed writes are counted, not drawn
const STEPS_MAX = 12; // rows that move one by one; of more, a class sees no single step

export class Column {
  /** `sourceOf(peer, id)` gives the rectangle at the peer from which a write comes, or null. */
  constructor(label, { zone, colours, labelOf, sourceOf, whyGone }) {
    this.label = label;
    this.zone = zone;
    this.colours = colours;
    this.labelOf = labelOf;
    this.sourceOf = sourceOf;
    this.whyGone = whyGone;
    this.writes = null; // as drawn; null before the first time
    this.rows = new Map();
    this.drawing = Promise.resolve();
    this.waiting = null;
    this.csn = element("b.count");
    this.tentative = element("b.count");
    this.reach = element("p.reach.soft");
    this.vectors = element("table.vectors", element("caption.unseen", `Vectors of ${label}`));
    this.session = element("p.session.clipped");
    this.earlier = element("p.earlier.soft", { hidden: "" });
    this.empty = element("p.empty.soft", "Nothing yet");
    this.list = element("ol.log", { tabindex: "0", "aria-label": `Log of ${label}` });
    this.node = element(
      "section.column",
      { "data-label": label, "data-colour": colours.get(label), "aria-label": `Replica ${label}` },
      element(
        "header",
        element(
          "p.counts",
          element("span.committed", shape("committed"), "CSN ", this.csn),
          element("span.tentative", shape("tentative"), "tentative ", this.tentative),
        ),
        this.reach,
        this.vectors,
      ),
      this.earlier,
      this.empty,
      this.list,
      this.session,
    );
  }

  /** Shows what `follower` has read, with the `news` of its events. Drawings run one after the other. */
  show(follower, news) {
    this.showState(follower, news);
    if (follower.up !== true) return;
    if (this.waiting) {
      // An earlier drawing is still running: draw only the newest state after it, with all the news.
      for (const [id, peer] of news.received) this.waiting.received.set(id, peer);
      this.waiting.writes = follower.writes;
      return;
    }
    this.waiting = { writes: follower.writes, received: new Map(news.received) };
    this.drawing = this.drawing.then(() => {
      const { writes, received } = this.waiting;
      this.waiting = null;
      return this.draw(writes, received);
    });
  }

  showState({ up, info, address }, news) {
    this.node.dataset.up = up === null ? "unknown" : String(up);
    const silent = this.whyGone(this.label) ?? "does not answer – trying again";
    const texts = { true: new URL(address).host, false: silent, hidden: "not visible with this login" };
    setText(this.reach, texts[up] ?? "asking …");
    if (info === null) return;
    setText(this.csn, String(info.csn));
    setText(this.tentative, String(info.tentative));
    fillVectors(this.vectors, info.vectors, this.zone, this);
    const last = news.sessions.at(-1);
    if (last) this.showSession(last);
  }

  showSession({ peer, sent, received, rolled_back: undone, replayed, error }) {
    const counts = [`${received} in`, `${sent} out`];
    if (undone || replayed) counts.push(`↶ ${undone} undone`, `↷ ${replayed} replayed`);
    setText(this.session, error ? `No session with ${peer}` : `With ${peer}: ${counts.join(" · ")}`);
    this.session.title = error ?? "";
    if (!isCalm()) flash(this.session, "fresh");
  }

  async draw(writes, received) {
    const before = this.writes;
    this.writes = writes;
    if (before === null || isCalm()) {
      this.arrange(writes);
      if (before !== null) this.mark(difference(before, writes));
      return;
    }
    const { arrived, replayed, changed } = difference(before, writes);
    const steps = replayed.filter((id) => this.rows.has(id)).slice(0, STEPS_MAX);
    await this.rollBack(steps);
    slide(this.list, () => this.arrange(writes));
    await Promise.all(arrived.slice(-STEPS_MAX).map((id) => this.arrive(id, received.get(id) ?? this.originOf(id))));
    await this.replay(steps);
    this.mark({ replayed, changed });
  }

  /** Puts the rows of these writes in order, with their current content. */
  arrange(writes) {
    const shown = writes.filter((write, index) => write.csn === null || index >= writes.length - ROWS_MAX);
    const left = new Set(this.rows.keys());
    for (const write of shown) {
      if (!this.rows.has(write.id)) this.rows.set(write.id, makeRow(write.id));
      fill(this.rows.get(write.id), write, this.zone, this);
      left.delete(write.id);
    }
    for (const id of left) this.rows.delete(id);
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 80;
    this.list.replaceChildren(...shown.map((write) => this.rows.get(write.id)));
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
    this.empty.hidden = writes.length > 0;
    const hidden = (writes[0]?.csn ?? 1) - 1 + writes.length - shown.length;
    this.earlier.hidden = hidden <= 0;
    setText(this.earlier, `${plural(hidden, "earlier write")} committed`);
  }

  /** Lifts the rows off the log, the last one first, as the engine undoes them. */
  async rollBack(ids) {
    for (const id of [...ids].reverse()) {
      this.rows.get(id).classList.add("undone");
      await pause(STEP_MS / 2);
    }
    if (ids.length) await pause(GIVE_WAY_MS);
  }

  async replay(ids) {
    for (const id of ids) {
      await pause(STEP_MS);
      this.rows.get(id)?.classList.remove("undone");
    }
    if (ids.length) await pause(GIVE_WAY_MS);
  }

  async arrive(id, peer) {
    const row = this.rows.get(id);
    const start = row && peer !== this.label ? this.sourceOf(peer, id) : null;
    if (start) await travel(row, start);
    if (row) flash(row, "arrived");
  }

  mark({ replayed, changed }) {
    for (const id of replayed) if (this.rows.has(id)) flash(this.rows.get(id), "replayed");
    for (const id of changed) if (this.rows.has(id)) flash(this.rows.get(id), "changed");
  }

  /** The replica that accepted the write STAMP@SERVER: a likely source if no event named one. */
  originOf(id) {
    return this.labelOf(id.slice(id.indexOf("@") + 1));
  }
}
