// Which days and rooms are shown. This is kept in the address after #, so a reload, a link and the back button keep it.

import { addDays, dayStart, longDay, mondayOf, shortDay, wallClock } from "../shared/times.js";
import { plural } from "../shared/words.js";
import { factsOf } from "./facts.js";

const DAY = /^\d{4}-\d{2}-\d{2}$/;

export class View {
  /** `onChange()` runs when the address changes. */
  constructor(source, onChange) {
    this.source = source;
    window.addEventListener("hashchange", onChange);
  }

  get asked() {
    return new URLSearchParams(location.hash.slice(1));
  }

  get day() {
    const day = this.asked.get("day") ?? "";
    return DAY.test(day) && !Number.isNaN(Date.parse(day)) ? day : this.today;
  }

  get today() {
    return wallClock(Date.now(), this.source.timezone).day;
  }

  get isWeek() {
    return this.asked.get("view") === "week" && this.room !== null;
  }

  /** The room of the week view. */
  get room() {
    const { rooms } = this.source;
    return rooms.find(({ name }) => name === this.asked.get("room")) ?? rooms[0] ?? null;
  }

  go(changes) {
    const asked = this.asked;
    for (const [name, value] of Object.entries(changes)) asked.set(name, value);
    location.hash = asked.toString();
  }

  /** Shows the next day or week, or the one before. */
  turn(direction) {
    this.go({ day: addDays(this.day, direction * (this.isWeek ? 7 : 1)) });
  }

  get title() {
    if (!this.isWeek) return longDay(this.day);
    const monday = mondayOf(this.day);
    return `${this.room.name}: ${shortDay(monday)} – ${shortDay(addDays(monday, 6))} ${monday.slice(0, 4)}`;
  }

  /** The columns: {room, day, zone, opens, closes, title, hint, leads: what a click on the title changes}. */
  get columns() {
    if (!this.isWeek) {
      return this.source.rooms.map((room) => ({
        ...columnOf(room, this.day),
        title: room.name,
        hint: room.capacity ? plural(room.capacity, "seat") : "",
        facts: [room.name, ...factsOf(room)].join(", "),
        leads: { view: "week", room: room.name, day: this.day },
      }));
    }
    return [0, 1, 2, 3, 4, 5, 6].map((number) => {
      const day = addDays(mondayOf(this.day), number);
      return { ...columnOf(this.room, day), title: shortDay(day), hint: "", facts: "", leads: { view: "day", day } };
    });
  }

  get zone() {
    return this.isWeek ? this.room.timezone : this.source.timezone;
  }

  /** What to ask the replica for: one period for each room. */
  get periods() {
    const { columns } = this;
    return [...new Set(columns.map(({ room }) => room))].map((room) => {
      const own = columns.filter((column) => column.room === room);
      const [first, last] = [own[0], own.at(-1)];
      return { room, from: dayStart(first.day, first.zone), to: dayStart(addDays(last.day, 1), last.zone) };
    });
  }
}

function columnOf(room, day) {
  const { name, timezone: zone, opens = null, closes = null, closed = [] } = room;
  return { room: name, day, zone, opens, closes, closed };
}
