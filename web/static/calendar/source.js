// What the page knows of its replica: rooms, the calendars that are looked at, my reservations, and how the replica
// is.
//
// It reads again whatever an event touched, one reading of a kind at a time: a burst of events is two readings, not
// many.

import { Refused, Silent, ask } from "../shared/rest.js";
import { Stream } from "../shared/stream.js";
import { iso } from "../shared/times.js";
import { readBusy } from "./busy.js";

const LOOK_MS = 3000; // whether peers can be reached changes without an event
const GUEST_LOOK_MS = 10_000; // guests are told of no events
const WRITES = ["accepted", "received", "moved", "rejected", "committed", "revoked"];

export class Source {
  /**
   * `on.calendar()`, `on.health()`, `on.mine()` after something was read anew; `on.event(name, data)` for each
   * write's.
   */
  constructor(on) {
    this.on = on;
    this.timezone = "UTC";
    this.rooms = [];
    this.calendars = new Map(); // room name -> its reservations in the period that is looked at
    this.periods = [];
    this.info = null;
    this.up = null;
    this.mine = [];
    this.user = "";
    this.isGuest = false; // who may see when rooms are busy, and nothing else
    this.readCalendars = single((rooms) => this.calendarsOf(rooms));
    this.readReplica = single(() => this.replica());
    this.readMine = single(() => this.reservations());
  }

  async start() {
    if (this.isGuest) {
      setInterval(() => document.hidden || this.readAll(), GUEST_LOOK_MS);
      await this.readAll();
      return;
    }
    this.stream = new Stream("", {
      onOpen: () => this.readAll(),
      onEvent: (name, data) => this.hear(name, data),
      onLost: () => this.readReplica(),
    });
    setInterval(() => document.hidden || this.lookAgain(), LOOK_MS);
    await this.readAll();
  }

  /** Without a stream, as where the replica has too many of them, the page is read again now and then. */
  lookAgain() {
    return this.up && !this.stream.isOpen ? this.readAll() : this.readReplica();
  }

  /** What is looked at: [{room, from, to}], moments. */
  look(periods) {
    this.periods = periods;
    this.calendars = new Map();
    return this.readCalendars();
  }

  async readAll() {
    await Promise.all([this.readRooms(), this.readReplica(), this.readCalendars(), this.readMine()]);
  }

  async readRooms() {
    await this.attempt(async () => {
      const { timezone, ...rest } = await ask("", "GET", "/rooms");
      this.timezone = timezone;
      this.rooms = rest.rooms.map((room) => ({ timezone, opens: rest.opens, closes: rest.closes, ...room }));
    });
  }

  hear(name, data) {
    if (WRITES.includes(name)) {
      const touched = [data.before, data.after].flatMap((place) => (place?.room ? [place.room] : []));
      // What is committed stays where it is, and tells its place as it is; what is gone tells none.
      this.readCalendars(touched.length && data.op === "reserve" ? touched : undefined);
      if (data.reservation?.startsWith(`${this.user}/`)) this.readMine();
      if (touched.some((room) => !this.rooms.some(({ name: known }) => known === room)))
        this.readRooms().then(this.on.calendar);
      this.on.event(name, data);
    }
    if (name === "reset") this.readAll();
    this.readReplica();
  }

  async calendarsOf(rooms) {
    const periods = this.periods;
    const wanted = periods.filter(({ room }) => rooms === null || rooms.has(room));
    await this.attempt(async () => {
      const found = await Promise.all(wanted.map(this.isGuest ? readBusy : readCalendar));
      if (periods !== this.periods) return; // somebody has turned the page meanwhile
      wanted.forEach(({ room }, index) => this.calendars.set(room, found[index]));
      this.on.calendar();
    });
  }

  async replica() {
    try {
      const answer = await ask("", "GET", this.isGuest ? "/login" : "/replica");
      if (!this.isGuest) this.info = answer;
      this.up = true;
    } catch (problem) {
      if (!(problem instanceof Silent || problem instanceof Refused)) throw problem;
      this.up = false;
    }
    this.on.health();
  }

  async reservations() {
    const user = this.user;
    await this.attempt(async () => {
      const answer = user && !this.isGuest
        ? await ask("", "GET", `/users/${encodeURIComponent(user)}/reservations`)
        : { reservations: [] };
      if (user !== this.user) return;
      this.mine = answer.reservations;
      this.on.mine();
    });
  }

  /** The page is left as it is where the replica does not answer: it is read again when the replica is back. */
  async attempt(read) {
    try {
      await read();
    } catch (problem) {
      if (!(problem instanceof Silent || problem instanceof Refused)) throw problem;
      this.readReplica();
    }
  }
}

export async function readCalendar({ room, from, to }) {
  const query = new URLSearchParams({ from: iso(from), to: iso(to) });
  const { reservations } = await ask("", "GET", `/rooms/${encodeURIComponent(room)}/calendar?${query}`);
  return reservations;
}

/** One run at a time; those asked for meanwhile become one more, for all they asked (nothing: for everything). */
function single(run) {
  let running = null;
  let next;
  return function start(names) {
    if (running) {
      next = next === undefined ? names && new Set(names) : next && names && new Set([...next, ...names]);
      next ??= null;
      return running;
    }
    running = (async () => {
      let now = names ? new Set(names) : null;
      do {
        next = undefined;
        await run(now);
        now = next;
      } while (next !== undefined);
    })().finally(() => (running = null));
    return running;
  };
}
