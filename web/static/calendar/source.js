// What the page knows of its replica: rooms, the calendars on the page, the user's reservations, the replica's state.
//
// It reads again whatever an event touched.

import { answers, ask } from "../shared/rest.js";
import { single } from "../shared/single.js";
import { Stream } from "../shared/stream.js";
import { iso } from "../shared/times.js";
import { readBusy } from "./busy.js";
import { roomsOf } from "./facts.js";

const LOOK_MS = 3000; // whether peers can be reached changes without an event
const GUEST_LOOK_MS = 10_000; // guests get no events
const WRITES = ["accepted", "received", "moved", "rejected", "committed", "revoked"];

export class Source {
  /**
   * `on.calendar()`, `on.health()` and `on.mine()` run after a reading; `on.event(name, data)` for each write;
   * `on.news()` for any event, and when everything is read again.
   */
  constructor(on) {
    this.on = on;
    this.timezone = "UTC";
    this.rooms = [];
    this.calendars = new Map(); // room name -> its reservations in the period on the page
    this.periods = [];
    this.info = null;
    this.up = null;
    this.mine = [];
    this.shifted = new Map(); // reservation id -> the slot that has the local time asked for
    this.user = "";
    this.isGuest = false; // a guest sees when rooms are busy, and nothing else
    this.readCalendars = single((rooms) => this.calendarsOf(rooms));
    this.readReplica = single(() => this.replica());
    this.readMine = single(() => this.reservations());
    this.readShifted = single(() => this.localTimes());
  }

  async start() {
    if (!this.isGuest) {
      this.stream = new Stream("", {
        open: () => this.readAll(),
        event: (name, data) => this.hear(name, data),
        lost: () => this.readReplica(),
      });
    }
    setInterval(() => document.hidden || this.lookAgain(), this.isGuest ? GUEST_LOOK_MS : LOOK_MS);
    await this.readAll();
  }

  /** Without a stream, as for a guest or when the replica has too many, the page is read again now and then. */
  lookAgain() {
    return this.isGuest || (this.up && !this.stream.isOpen) ? this.readAll() : this.readReplica();
  }

  /** Sets what is on the page: [{room, from, to}], in moments. */
  look(periods) {
    this.periods = periods;
    this.calendars = new Map();
    return Promise.all([this.readCalendars(), this.readShifted()]);
  }

  async readAll() {
    this.on.news();
    await Promise.all([this.readRooms(), this.readReplica(), this.readCalendars(), this.readMine(), this.readShifted()]);
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
      const touched = [data.before, data.after].flatMap((result) => (result?.room ? roomsOf(result.room) : []));
      // A move or a cancel may have left a room that its event does not name.
      this.readCalendars(touched.length && data.op === "reserve" ? touched : undefined);
      if (data.owner === this.user || this.isMine(data.reservation ?? "")) this.readMine();
      if (this.shifted.size) this.readShifted();
      const isKnown = (room) => this.rooms.some((known) => known.name === room);
      if (!touched.every(isKnown)) this.readRooms().then(this.on.calendar);
      this.on.event(name, data);
    }
    if (name === "reset") this.readAll();
    else this.on.news();
    this.readReplica();
  }

  /** Whether the user made the reservation or series, or owns it or a part of it. */
  isMine(id) {
    return id.startsWith(`${this.user}/`) || this.mine.some((one) => one.id === id || one.id.startsWith(`${id}~`));
  }

  async calendarsOf(rooms) {
    const periods = this.periods;
    const wanted = periods.filter(({ room }) => rooms === null || rooms.has(room));
    await this.attempt(async () => {
      const found = await Promise.all(wanted.map(this.isGuest ? readBusy : readCalendar));
      if (periods !== this.periods) return; // the user has turned the page meanwhile
      wanted.forEach(({ room }, index) => this.calendars.set(room, found[index]));
      this.on.calendar();
    });
  }

  async replica() {
    this.up = await answers(async () => {
      const answer = await ask("", "GET", this.isGuest ? "/login" : "/replica");
      if (!this.isGuest) this.info = answer;
    });
    this.on.health();
  }

  async reservations() {
    const user = this.user;
    await this.attempt(async () => {
      const path = `/users/${encodeURIComponent(user)}/reservations`;
      const answer = user && !this.isGuest ? await ask("", "GET", path) : { reservations: [] };
      if (user !== this.user) return;
      this.mine = answer.reservations;
      this.on.mine();
    });
  }

  /** Reads which reservations on the page stand at another local time than asked for; nearly always there is none. */
  async localTimes() {
    const periods = this.periods;
    if (this.isGuest || !periods.length) return;
    const from = iso(Math.min(...periods.map((period) => period.from)));
    const query = new URLSearchParams({ from, to: iso(Math.max(...periods.map((period) => period.to))) });
    await this.attempt(async () => {
      const found = new Map();
      let after = "";
      while (after !== null) {
        query.set("after", after);
        const { reservations, next } = await ask("", "GET", `/local-times?${query}`);
        for (const { id, shifted } of reservations) found.set(id, shifted);
        after = next;
      }
      if (periods !== this.periods) return; // the user has turned the page meanwhile
      const had = this.shifted.size > 0;
      this.shifted = found;
      if (had || found.size) this.on.calendar();
    });
  }

  /** If the replica does not answer, the page stays as it is. It is read again when the replica is back. */
  async attempt(read) {
    if (!(await answers(read))) this.readReplica();
  }
}

export async function readCalendar({ room, from, to }) {
  const query = new URLSearchParams({ from: iso(from), to: iso(to) });
  const { reservations } = await ask("", "GET", `/rooms/${encodeURIComponent(room)}/calendar?${query}`);
  return reservations;
}
