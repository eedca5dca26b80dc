// One replica as this page sees it: what it says of itself, its log, and what its events told since the last look.

import { Refused, Silent, ask } from "../shared/rest.js";
import { Stream } from "../shared/stream.js";
import { committedPart, grown } from "./log.js";
import { pause } from "./motion.js";

const LOOK_MS = 2000; // a replica that dies ends its stream at once; one that hangs is found out by this
const STRAGGLERS_MS = 50; // the log may be read before the events come that tell from whom its writes came
const PAGE_WRITES = 1000;

export class Follower {
  /** `onChange(follower, told)` after each look; `told` = {received: Map of write id to peer label, sessions: []}. */
  constructor({ label, address }, base, onChange) {
    this.label = label;
    this.address = address;
    this.base = base;
    this.onChange = onChange;
    this.up = null; // null: not known yet
    this.info = null;
    this.writes = [];
    this.told = nothingTold();
    this.looking = false;
    this.again = false;
    this.stream = new Stream(base, {
      onOpen: () => this.begin(),
      onEvent: (name, data) => this.hear(name, data),
      onLost: () => this.look(),
    });
    setInterval(() => document.hidden || this.look(), LOOK_MS);
  }

  /** What happened while nothing was heard is not known: whether commits are still the same neither. */
  begin() {
    this.writes = [];
    this.look();
  }

  hear(name, data) {
    if (name === "received" && data.from) this.told.received.set(data.write, data.from);
    if (name === "session") this.told.sessions.push(data);
    if (name === "revoked" || name === "reset") this.begin();
    else this.look();
  }

  /** Read state and log; one reading at a time, and one more if something happened meanwhile. */
  async look() {
    if (this.looking) {
      this.again = true;
      return;
    }
    this.looking = true;
    do {
      this.again = false;
      await this.read();
      await pause(STRAGGLERS_MS);
      const told = this.told;
      this.told = nothingTold();
      this.onChange(this, told);
    } while (this.again);
    this.looking = false;
  }

  async read() {
    try {
      this.info = await ask(this.base, "GET", "/replica");
      this.writes = await this.readLog();
      this.up = true;
    } catch (problem) {
      if (!(problem instanceof Silent || problem instanceof Refused)) throw problem;
      this.up = false;
    }
  }

  async readLog() {
    const known = committedPart(this.writes);
    try {
      return grown(known, await this.readAfter(known.at(-1)?.id ?? null));
    } catch (problem) {
      if (problem.code !== "write_unknown") throw problem;
      return this.readAfter(null); // truncated, or another history: what was known counts no more
    }
  }

  async readAfter(id) {
    const found = [];
    let after = id;
    do {
      const place = after === null ? "" : `&after=${encodeURIComponent(after)}`;
      const page = await ask(this.base, "GET", `/replica/log?limit=${PAGE_WRITES}${place}`);
      found.push(...page.writes);
      after = page.next;
    } while (after !== null);
    return found;
  }
}

function nothingTold() {
  return { received: new Map(), sessions: [] };
}
