// One replica as this page sees it: its state, its log, and what its events said since the last look.

import { answers, ask } from "../shared/rest.js";
import { single } from "../shared/single.js";
import { Stream } from "../shared/stream.js";
import { committedPart } from "./log.js";
import { pause } from "./motion.js";

const LOOK_MS = 2000; // a replica that dies ends its stream at once; this finds one that hangs
const STRAGGLERS_MS = 50; // the log may be read before the events come that say from whom its writes came
const PART_WRITES = 1000;

export class Follower {
  /**
   * `onChange(follower, news)` runs after each look. `news` is {received, sessions}: a Map of write id to the label of
   * the peer that sent it, and the sessions that ended.
   */
  constructor({ label, address }, base, onChange) {
    this.label = label;
    this.address = address;
    this.base = base;
    this.up = null; // null: not known yet; "hidden": it answers, but shows nothing with this login
    this.info = null;
    this.writes = [];
    this.news = noNews();
    this.look = single(async () => {
      await this.read();
      await pause(STRAGGLERS_MS);
      const news = this.news;
      this.news = noNews();
      onChange(this, news);
    });
    new Stream(base, {
      open: () => this.begin(),
      event: (name, data) => this.hear(name, data),
      lost: () => this.look(),
    });
    setInterval(() => document.hidden || this.look(), LOOK_MS);
  }

  /** Events were missed, so even the commits may be others: reads the whole log again. */
  begin() {
    this.writes = [];
    this.look();
  }

  hear(name, data) {
    if (name === "received" && data.from) this.news.received.set(data.write, data.from);
    if (name === "session") this.news.sessions.push(data);
    if (name === "revoked" || name === "reset") this.begin();
    else this.look();
  }

  async read() {
    let isHidden = false;
    const answered = await answers(async () => {
      try {
        this.info = await ask(this.base, "GET", "/replica");
        this.writes = await this.readLog();
      } catch (problem) {
        isHidden = problem.isOfLogin === true;
        throw problem;
      }
    });
    this.up = isHidden ? "hidden" : answered;
  }

  async readLog() {
    const known = committedPart(this.writes);
    try {
      return [...known, ...(await this.readAfter(known.at(-1)?.id ?? null))];
    } catch (problem) {
      if (problem.code !== "write_unknown") throw problem;
      return this.readAfter(null); // the log was truncated, or it is another history
    }
  }

  async readAfter(id) {
    const found = [];
    let after = id;
    do {
      const from = after === null ? "" : `&after=${encodeURIComponent(after)}`;
      const part = await ask(this.base, "GET", `/replica/log?limit=${PART_WRITES}${from}`);
      found.push(...part.writes);
      after = part.next;
    } while (after !== null);
    return found;
  }
}

function noNews() {
  return { received: new Map(), sessions: [] };
}
