// Places what happened at the replicas on the columns of a space-time diagram.
//
// Time is logical: an event is to the right of everything that happened before it at its replica, and a received frame is
// to the right of where it was sent. Events in one column are concurrent. Each step of a diagram begins to the right of
// all steps before it.

const CARRIES_WRITES = ["batch", "state_end"]; // kinds of frames after which a replica has a transaction

/**
 * The layout of `steps`, each {lanes}: an object from label to {transactions, frames} as of GET /replica/diagram.
 *
 * Returns {lanes, columns, steps, marks, arrows, cuts, absences}. An arrow whose end nobody recorded has null as column.
 */
export function layOut(steps) {
  const lanes = [...new Set(steps.flatMap((step) => Object.keys(step.lanes)))];
  const layout = { lanes, columns: 0, steps: [], marks: [], arrows: [], cuts: [], absences: [] };
  const placer = new Placer(layout);
  const matcher = new Matcher();
  const found = steps.map((step) => Object.entries(step.lanes).map(([lane, records]) => itemsOf(lane, records, matcher)));
  matcher.join();
  steps.forEach((step, index) => {
    placer.begin(step.lanes);
    placer.place(found[index]);
  });
  placer.finish();
  layout.arrows = matcher.arrows.sort((one, other) => knownColumn(one) - knownColumn(other));
  return layout;
}

/** What happened at a replica, in order. What a frame brought comes after that frame; otherwise the times decide. */
function itemsOf(lane, { transactions, frames }, matcher) {
  const items = [];
  let at = 0;
  for (const transaction of transactions) {
    const upto = placeOf(transaction, frames);
    for (; at < upto; at += 1) items.push(matcher.item(lane, frames[at]));
    if (transaction.link) items.push({ lane, peer: transaction.peer, isCut: transaction.link === "cut" });
    for (const mark of transaction.marks) items.push({ lane, mark });
  }
  for (; at < frames.length; at += 1) items.push(matcher.item(lane, frames[at]));
  return items;
}

/**
 * How many of the frames come before a transaction. Redis gives its time in milliseconds only, so a transaction that stores
 * the writes of a frame comes after that frame, whatever the times say.
 */
function placeOf(transaction, frames) {
  const brings = ({ at, way, kind, peer }) =>
    at < transaction.at + 1000 && way === "received" && CARRIES_WRITES.includes(kind) && peer === transaction.peer;
  const last = frames.findLastIndex(brings);
  return last >= 0 ? last + 1 : frames.filter(({ at }) => at < transaction.at).length;
}

/**
 * Makes arrows of frames: one that was sent, and the one with the same content that its peer received in the same session.
 * Two replicas number their sessions differently, so the hellos tell which belong together.
 */
class Matcher {
  constructor() {
    this.sent = [];
    this.received = [];
  }

  item(lane, { peer, way, kind, carries, session }) {
    const isSent = way === "sent";
    const [sender, receiver] = isSent ? [lane, peer] : [peer, lane];
    const arrow = { sender, receiver, kind, carries, session: `${lane} ${peer} ${session}`, sent: null, received: null };
    const item = { lane, arrow, isSent };
    const content = JSON.stringify([sender, receiver, kind, carries]);
    (isSent ? this.sent : this.received).push({ content, item });
    return item;
  }

  /** Gives both ends of each frame one arrow. */
  join() {
    this.joinSessions();
    this.arrows = this.sent.map(({ item }) => item.arrow);
    const keyOf = ({ content, item }) => `${item.arrow.session} ${content}`;
    const sent = Map.groupBy(this.sent, keyOf);
    for (const end of this.received) {
      const other = sent.get(keyOf(end))?.shift();
      if (other) end.item.arrow = other.item.arrow;
      else this.arrows.push(end.item.arrow);
    }
  }

  /** Gives a session one name at both ends. */
  joinSessions() {
    const isHello = ({ item }) => item.arrow.kind === "hello";
    const hellos = Map.groupBy(this.sent.filter(isHello), ({ content }) => content);
    const otherEnd = new Map();
    for (const { content, item } of this.received.filter(isHello)) {
      const session = hellos.get(content)?.shift()?.item.arrow.session;
      if (session) otherEnd.set(session, item.arrow.session).set(item.arrow.session, session);
    }
    for (const { item } of [...this.sent, ...this.received]) {
      const other = otherEnd.get(item.arrow.session) ?? item.arrow.session;
      if (other < item.arrow.session) item.arrow.session = other;
    }
  }
}

function knownColumn({ sent, received }) {
  return sent ?? received ?? 0;
}

/** Gives each item its column, step by step. */
class Placer {
  constructor(layout) {
    this.layout = layout;
    this.free = new Map(layout.lanes.map((lane) => [lane, 0])); // the first column in which nothing is
    this.cut = new Map(); // "ONE OTHER" -> {names, ends that say so, start}
    this.absent = new Map(layout.lanes.map((lane) => [lane, 0])); // since when
  }

  begin(lanes) {
    const start = Math.max(this.layout.columns, ...this.free.values());
    this.layout.steps.push(start);
    this.layout.columns = start + 1;
    for (const lane of this.layout.lanes) {
      this.free.set(lane, start);
      if (lane in lanes) this.endAbsence(lane, start);
      else if (!this.absent.has(lane)) this.absent.set(lane, start);
    }
  }

  /** Places the items of a step, a list for each lane. */
  place(found) {
    const waiting = found.filter((items) => items.length).map((items) => ({ items, next: 0 }));
    const unsent = new Set(found.flat().filter(({ isSent }) => isSent).map(({ arrow }) => arrow));
    const isReady = ({ items, next }) => items[next].isSent || !unsent.has(items[next].arrow);
    const goesOn = ({ items, next }) => next < items.length;
    for (let left = waiting; left.length; left = left.filter(goesOn)) {
      // An arrow is received after it was sent. If clocks or gaps in the records say otherwise, go on anyway.
      const ready = left.filter(isReady);
      for (const lane of ready.length ? ready : left.slice(0, 1)) {
        const item = lane.items[lane.next];
        lane.next += 1;
        this.put(item);
        if (item.isSent) unsent.delete(item.arrow);
      }
    }
    for (const items of found) sendLate(items);
  }

  finish() {
    const { layout } = this;
    layout.columns = Math.max(layout.columns, ...this.free.values());
    for (const { names, start } of this.cut.values()) layout.cuts.push({ names, start, end: layout.columns });
    for (const lane of [...this.absent.keys()]) this.endAbsence(lane, layout.columns);
    const nameOf = ({ names }) => names.join(" ");
    layout.cuts.sort((one, other) => one.start - other.start || (nameOf(one) < nameOf(other) ? -1 : 1));
  }

  put(item) {
    let column = this.free.get(item.lane);
    if (item.peer !== undefined) {
      this.noteLink(item, column);
      return;
    }
    if (item.mark) {
      item.column = column;
      this.layout.marks.push({ lane: item.lane, column, mark: item.mark });
    } else if (item.isSent) {
      item.arrow.sent = column;
    } else {
      if (item.arrow.sent !== null) column = Math.max(column, item.arrow.sent + 1);
      item.arrow.received = column;
    }
    this.free.set(item.lane, column + 1);
  }

  noteLink({ lane, peer, isCut }, column) {
    const names = this.inOrder([lane, peer]);
    const key = names.join(" ");
    const { ends, start } = this.cut.get(key) ?? { ends: new Set(), start: column };
    this.cut.delete(key);
    if (isCut) ends.add(lane);
    else ends.delete(lane);
    if (ends.size) this.cut.set(key, { names, ends, start });
    else if (column > start) this.layout.cuts.push({ names, start, end: column });
  }

  inOrder(names) {
    const rank = (name) => (this.layout.lanes.includes(name) ? this.layout.lanes.indexOf(name) : this.layout.lanes.length);
    return names.sort((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1));
  }

  endAbsence(lane, column) {
    const start = this.absent.get(lane);
    this.absent.delete(lane);
    if (column > start) this.layout.absences.push({ names: [lane], start, end: column });
  }
}

/** Moves the beginnings of arrows to the right, as far as their ends and the next item of the replica allow. */
function sendLate(items) {
  let limit = Infinity;
  for (const item of items.toReversed()) {
    if (item.peer !== undefined) continue;
    const { arrow } = item;
    if (arrow && item.isSent && arrow.received !== null) {
      arrow.sent = Math.max(arrow.sent, Math.min(arrow.received, limit) - 1);
    }
    limit = arrow ? (item.isSent ? arrow.sent : arrow.received) : item.column;
  }
}
