// Which days and rooms are shown. This is kept in the address after #, so a reload, a link and the back button keep it.

import { addDays, dayStart, longDay, longMonth, mondayOf, monthStart, shortDay, wallClock } from "../shared/times.js";
import { plural } from "../shared/words.js";
import { factsOf } from "./facts.js";

const DAY = /^\d{4}-\d{2}-\d{2}$/;
const OF_A_ROOM = ["week", "month"];

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

  /** `day` shows all rooms; `week` and `month` show one. */
  get name() {
    const asked = this.asked.get("view");
    return OF_A_ROOM.includes(asked) && this.room !== null ? asked : "day";
  }

  get isOfARoom() {
    return this.name !== "day";
  }

  /** The room of the week or the month. */
  get room() {
    const { rooms } = this.source;
    return rooms.find(({ name }) => name === this.asked.get("room")) ?? rooms[0] ?? null;
  }

  go(changes) {
    const asked = this.asked;
    for (const [name, value] of Object.entries(changes)) asked.set(name, value);
    location.hash = asked.toString();
  }

  /** Shows the next day, week or month, or the one before. */
  turn(direction) {
    if (this.name === "month") this.go({ day: monthStart(this.day, direction) });
    else this.go({ day: addDays(this.day, direction * (this.name === "week" ? 7 : 1)) });
  }

  get title() {
    if (this.name === "day") return longDay(this.day);
    if (this.name === "month") return `${this.room.name}: ${longMonth(this.day)}`;
    const monday = mondayOf(this.day);
    return `${this.room.name}: ${shortDay(monday)} – ${shortDay(addDays(monday, 6))} ${monday.slice(0, 4)}`;
  }

  /** The columns: {room, day, zone, opens, closes, title, hint, leads: what a click on the title changes}. */
  get columns() {
    if (this.name === "day") {
      return this.source.rooms.map((room) => ({
        ...columnOf(room, this.day),
        title: room.name,
        hint: room.capacity ? plural(room.capacity, "seat") : "",
        facts: [room.name, ...factsOf(room)].join(", "),
        leads: { view: "week", room: room.name, day: this.day },
      }));
    }
    return this.days.map((day) => {
      return { ...columnOf(this.room, day), title: shortDay(day), hint: "", facts: "", leads: { view: "day", day } };
    });
  }

  /** The days of the week; of the month, with the rest of its first and its last week. */
  get days() {
    const isMonth = this.name === "month";
    const first = mondayOf(isMonth ? monthStart(this.day) : this.day);
    const last = isMonth ? addDays(mondayOf(addDays(monthStart(this.day, 1), -1)), 6) : addDays(first, 6);
    const days = [];
    for (let day = first; day <= last; day = addDays(day, 1)) days.push(day);
    return days;
  }

  get zone() {
    return this.isOfARoom ? this.room.timezone : this.source.timezone;
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
