// The column of one replica: its counters, its vectors, and its log, in which one sees roll back and replay.

import { element, prose, setText, shape } from "../shared/dom.js";
import { plural } from "../shared/words.js";
import { difference } from "./log.js";
import { flash, isCalm, slide, travel } from "./motion.js";
import { Replay, stepWords } from "./replay.js";
import { fill, makeRow } from "./row.js";
import { fillVectors } from "./vectors.js";

const ROWS_MAX = 80; // earlier committed writes are counted, not drawn
const ARRIVALS_MAX = 12; // rows that travel, the newest

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
    this.csnBefore = 0; // of the commits before those
    this.rows = new Map();
    this.shown = new Map(); // the writes by id, as their rows show them
    this.drawing = Promise.resolve();
    this.waiting = null;
    this.csn = element("b.count");
    this.tentative = element("b.count");
    this.reach = element("p.reach.soft");
    this.vectors = element("table.vectors", element("caption.unseen", `Vectors of ${label}`));
    this.session = element("p.session");
    this.earlier = element("p.earlier.soft", { hidden: "" });
    this.empty = element("p.empty.soft", "Nothing yet");
    this.replay = new Replay(label, zone);
    this.list = element("ol.log", { tabindex: "0", "aria-label": `Log of ${label}` });
    this.node = element(
      "section.column",
      { "data-label": label, "data-colour": colours.get(label), "aria-label": `Replica ${label}` },
      element(
        "header",
        element("h2.title", label),
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
      this.replay.playing,
      this.replay.details,
      this.session,
    );
    this.list.addEventListener("click", () => this.replay.skip());
  }

  /** Shows what `follower` has read, with the `news` of its events. Drawings run one after the other. */
  show(follower, news) {
    this.showState(follower, news);
    if (follower.up !== true) return;
    if (this.waiting) {
      // An earlier drawing is still running: draw only the newest state after it, with all the news.
      for (const [id, peer] of news.received) this.waiting.received.set(id, peer);
      this.waiting.replays.push(...news.replays);
      this.waiting.writes = follower.writes;
      this.waiting.info = follower.info;
      return;
    }
    const { writes, info } = follower;
    this.waiting = { writes, info, received: new Map(news.received), replays: [...news.replays] };
    this.drawing = this.drawing.then(() => {
      const next = this.waiting;
      this.waiting = null;
      return this.draw(next);
    });
  }

  showState({ up, info, address }, news) {
    this.node.dataset.up = up === null ? "unknown" : String(up);
    const silent = this.whyGone(this.label) ?? "does not answer – trying again";
    const texts = { true: new URL(address).host, false: silent, hidden: "not visible with this login" };
    setText(this.reach, texts[up] ?? "asking …");
    const last = news.sessions.at(-1);
    if (last) this.showSession(last);
  }

  showSession({ peer, sent, received, error }) {
    setText(this.session, error ? `No session with ${peer}` : `With ${peer}: ${received} in · ${sent} out`);
    this.session.title = prose(error ?? "").textContent;
    if (!isCalm()) flash(this.session, "fresh");
  }

  async draw({ writes, info, received, replays }) {
    const before = this.writes;
    this.writes = writes;
    this.csnBefore = (writes[0]?.csn ?? info.csn + 1) - 1;
    if (replays.length) this.replay.list(replays);
    if (before === null || isCalm()) {
      if (replays.length) this.replay.details.open = true; // nothing moves, so the list says it
      this.arrange(writes);
      fillVectors(this.vectors, info.vectors, this.zone, this);
      if (before !== null) this.mark(difference(before, writes).changed, "changed");
      return;
    }
    const { arrived, changed } = difference(before, writes);
    const lastReplays = new Map(replays.flatMap((replay) => replay.played_again.map(({ write }) => [write, replay])));
    this.replay.begin(replays, info.pace);
    await this.rollBack(replays[0]);
    slide(this.list, () => this.arrange(writes, new Set([...lastReplays.keys(), ...changed])));
    const arrivals = arrived.slice(-ARRIVALS_MAX);
    await this.replay.until(Promise.all(arrivals.map((id) => this.arrive(id, received.get(id) ?? this.originOf(id)))));
    for (const [index, replay] of replays.entries()) {
      if (index > 0) await this.rollBack(replay);
      await this.playAgain(replay, lastReplays);
    }
    this.replay.end();
    this.arrange(writes);
    fillVectors(this.vectors, info.vectors, this.zone, this);
    this.mark(changed, "changed");
  }

  /** Puts the rows of these writes in order, with their current content; the rows of `later` keep what they show. */
  arrange(writes, later = new Set()) {
    const shown = writes.filter((write, index) => write.csn === null || index >= writes.length - ROWS_MAX);
    const left = new Set(this.rows.keys());
    for (const write of shown) {
      const isNew = !this.rows.has(write.id);
      if (isNew) this.rows.set(write.id, makeRow(write.id));
      if (isNew || !later.has(write.id)) this.fillRow(write);
      left.delete(write.id);
    }
    for (const id of left) {
      this.rows.delete(id);
      this.shown.delete(id);
    }
    this.count();
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 80;
    this.list.replaceChildren(...shown.map((write) => this.rows.get(write.id)));
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
    this.empty.hidden = writes.length > 0;
    const hidden = (writes[0]?.csn ?? 1) - 1 + writes.length - shown.length;
    this.earlier.hidden = hidden <= 0;
    setText(this.earlier, `${plural(hidden, "earlier write")} committed`);
  }

  fillRow(write) {
    fill(this.rows.get(write.id), write, this.zone, this);
    this.shown.set(write.id, write);
  }

  /** Counts what the rows show, which changes step by step while a replay is played. */
  count() {
    const csns = [...this.shown.values()].map(({ csn }) => csn);
    setText(this.csn, String(Math.max(this.csnBefore, ...csns)));
    setText(this.tentative, String(csns.filter((csn) => csn === null).length));
  }

  /** Lifts the rows off the log, the last one first, as the engine undid them. */
  async rollBack(replay) {
    for (const step of replay?.undone ?? []) {
      const row = this.rows.get(step.write);
      row?.classList.add("undone");
      this.keepInSight(row);
      await this.replay.step(stepWords(step, this.zone));
    }
  }

  /** Puts the rows back, in the order in which the engine played them. The last replay of a write has its outcome. */
  async playAgain(replay, lastReplays) {
    for (const step of replay.played_again) {
      const row = this.rows.get(step.write);
      const write = this.writes.find(({ id }) => id === step.write);
      if (row && write && lastReplays.get(write.id) === replay) this.fillRow(write);
      this.count();
      row?.classList.remove("undone");
      this.keepInSight(row);
      this.mark([step.write], "replayed");
      await this.replay.step(stepWords(step, this.zone));
    }
  }

  keepInSight(row) {
    if (!row?.isConnected) return;
    const [own, seen] = [row.getBoundingClientRect(), this.list.getBoundingClientRect()];
    this.list.scrollTop += Math.min(0, own.top - seen.top) + Math.max(0, own.bottom - seen.bottom);
  }

  async arrive(id, peer) {
    const row = this.rows.get(id);
    const start = row && peer !== this.label ? this.sourceOf(peer, id) : null;
    if (start) await travel(row, start);
    if (row) flash(row, "arrived");
  }

  mark(ids, name) {
    for (const id of ids) if (this.rows.has(id)) flash(this.rows.get(id), name);
  }

  /** The replica that accepted the write STAMP@SERVER: a likely source if no event named one. */
  originOf(id) {
    return this.labelOf(id.slice(id.indexOf("@") + 1));
  }
}
