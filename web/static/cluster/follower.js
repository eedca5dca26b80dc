// One replica as this page sees it: its state, its log, and what its events said since the last look.

import { answers, ask } from "../shared/rest.js";
import { single } from "../shared/single.js";
import { Stream } from "../shared/stream.js";
import { committedPart, difference } from "./log.js";
import { pause } from "./motion.js";

const LOOK_MS = 2000; // a replica that dies ends its stream at once; this finds one that hangs
const STRAGGLERS_MS = 50; // the log may be read before the events come that say from whom its writes came
const REPLAY_MS = 1000; // the log may be read before the event comes that says why outcomes changed
const READS_MAX = 3; // of a look, while replays go on
const PART_WRITES = 1000;

export class Follower {
  /**
   * `onChange(follower, news)` runs after each look. `news` is {received, sessions, replays}: a Map of write id to the
   * label of the peer that sent it, the sessions that ended, and the events of the replays that the log shows.
   */
  constructor({ label, address }, base, onChange) {
    this.label = label;
    this.address = address;
    this.base = base;
    this.up = null; // null: not known yet; "hidden": it answers, but shows nothing with this login
    this.info = null;
    this.writes = [];
    this.news = noNews();
    this.heard = () => {}; // called for each replay
    this.look = single(async () => {
      const before = this.writes;
      let known = 0;
      for (let reads = 0; reads === 0 || (reads < READS_MAX && this.news.replays.length > known); reads += 1) {
        known = this.news.replays.length; // one that comes later may have changed the log after it was read
        await this.read();
        await pause(STRAGGLERS_MS);
        await this.replaysOf(difference(before, this.writes).changed);
      }
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
    if (name === "replay") {
      this.news.replays.push(data);
      this.heard();
    }
    if (name === "revoked" || name === "reset") this.begin();
    else this.look();
  }

  /** Waits for the events of the replays that changed the outcomes of these writes, but not for long. */
  async replaysOf(changed) {
    const end = performance.now() + REPLAY_MS;
    for (let left = REPLAY_MS; left > 0 && !isExplained(changed, this.news.replays); left = end - performance.now()) {
      const next = new Promise((done) => {
        this.heard = done;
      });
      await Promise.race([next, pause(left)]);
    }
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

function isExplained(changed, replays) {
  const named = new Set(replays.flatMap(({ undone }) => undone.map(({ write }) => write)));
  return changed.every((id) => named.has(id)) || replays.some(({ left_out: others }) => others > 0);
}

function noNews() {
  return { received: new Map(), sessions: [], replays: [] };
}
