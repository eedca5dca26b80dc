// What the replicas have recorded, as the steps of a space-time diagram: a step begins after a pause of all replicas.

import { ask } from "../shared/rest.js";

const BACK_MS = 15 * 60_000; // how far back the first look goes
const RECORDS_MAX = 1500; // of each kind and replica, the newest
const PAUSE_US = 400_000;

export class Recording {
  constructor(followers) {
    this.followers = followers;
    const from = Date.now() - BACK_MS;
    const none = () => ({ transactions: [], frames: [], next: { after: `${from}-0`, after_frame: from * 1000 } });
    this.lanes = new Map(followers.map(({ label }) => [label, none()]));
    this.away = new Map(followers.map(({ label }) => [label, []])); // times at which it did not answer, [from, to]
    this.writes = new Map();
    this.isRecording = false;
  }

  /** Reads what is new. Returns whether anything is. */
  async read() {
    const news = await Promise.all(this.followers.map((follower) => this.readLane(follower)));
    return news.some(Boolean);
  }

  async readLane({ label, base, up }) {
    const lane = this.lanes.get(label);
    if (up !== true) return this.noteAway(label, up);
    let hasNews = this.noteBack(label);
    for (;;) {
      let part = null;
      try {
        part = await ask(base, "GET", `/replica/diagram?${new URLSearchParams(lane.next)}`);
      } catch {
        return hasNews; // the follower says that the replica does not answer
      }
      this.isRecording ||= part.recording;
      const isLast = JSON.stringify(part.next) === JSON.stringify(lane.next);
      lane.next = part.next;
      for (const [id, write] of Object.entries(part.writes)) this.writes.set(id, write);
      for (const kind of ["transactions", "frames"]) {
        if (!part[kind].length) continue;
        hasNews = true;
        lane[kind] = [...lane[kind], ...part[kind]].slice(-RECORDS_MAX);
      }
      if (isLast) return hasNews;
    }
  }

  noteAway(label, up) {
    const times = this.away.get(label);
    if (up !== false || times.at(-1)?.[1] === Infinity) return false;
    times.push([Date.now() * 1000, Infinity]);
    return true;
  }

  noteBack(label) {
    const last = this.away.get(label).at(-1);
    if (last?.[1] !== Infinity) return false;
    last[1] = Date.now() * 1000;
    return true;
  }

  /** The steps, oldest first: {at, lanes}, with `at` in microseconds. */
  steps() {
    const times = [...this.lanes.values()].flatMap(({ transactions, frames }) => [...transactions, ...frames]);
    const begins = times
      .map(({ at }) => at)
      .sort((one, other) => one - other)
      .filter((at, index, all) => index === 0 || at - all[index - 1] > PAUSE_US);
    const steps = begins.map((at) => ({ at, lanes: {} }));
    for (const [label, { transactions, frames }] of this.lanes) {
      const parts = { transactions: inSteps(transactions, begins), frames: inSteps(frames, begins) };
      steps.forEach((step, index) => {
        const [moved, passed] = [parts.transactions[index], parts.frames[index]];
        const isAway = this.away.get(label).some(([from, to]) => from <= step.at && step.at < to);
        if (moved.length || passed.length || !isAway) step.lanes[label] = { transactions: moved, frames: passed };
      });
    }
    return steps;
  }
}

/** The records of each step, in which steps begin at these times. */
function inSteps(records, begins) {
  const found = begins.map(() => []);
  for (const record of records) {
    const later = begins.findIndex((at) => at > record.at);
    found.at(later < 0 ? -1 : later - 1).push(record);
  }
  return found;
}
