// Moments and the wall clocks of a time zone. A moment is a number of milliseconds; a day is "YYYY-MM-DD".
//
// Everything is shown in the time zone of the rooms, wherever the browser is, because a meeting is where its room is.

export const MINUTE_MS = 60_000;
export const DAY_MIN = 24 * 60;

const formats = new Map();

function format(zone, name, options) {
  const key = `${zone} ${name}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key);
}

const WALL = {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
};

/** What the calendar and the clock of `zone` show at a moment: {day, minutes}, the minutes since midnight. */
export function wallClock(moment, zone) {
  const parts = {};
  for (const { type, value } of format(zone, "wall", WALL).formatToParts(moment)) parts[type] = value;
  return {
    day: `${parts.year.padStart(4, "0")}-${parts.month}-${parts.day}`,
    minutes: Number(parts.hour) * 60 + Number(parts.minute),
  };
}

/** The moment when clocks of `zone` show this: the earlier one if there are two, null if clocks skip it. */
export function momentOf(day, minutes, zone) {
  const wanted = Date.parse(`${day}T00:00:00Z`) + minutes * MINUTE_MS;
  const offsets = [-DAY_MIN, DAY_MIN].map((shift) => offset(wanted + shift * MINUTE_MS, zone));
  const found = offsets.map((each) => wanted - each).filter((moment) => moment + offset(moment, zone) === wanted);
  return found.length ? Math.min(...found) : null;
}

/** The first moment of a day; if clocks skip midnight, the moment of the change. */
export function dayStart(day, zone) {
  for (let minutes = 0; minutes < DAY_MIN; minutes += 15) {
    const moment = momentOf(day, minutes, zone);
    if (moment !== null) return moment;
  }
  throw new RangeError(`${day} does not exist in ${zone}`);
}

export function addDays(day, count) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * DAY_MIN * MINUTE_MS).toISOString().slice(0, 10);
}

/** The Monday of the week of a day. */
export function mondayOf(day) {
  return addDays(day, -((new Date(`${day}T00:00:00Z`).getUTCDay() + 6) % 7));
}

/** The first day of the month of a day, or of a month that is `count` months later. */
export function monthStart(day, count = 0) {
  const [year, month] = day.split("-").map(Number);
  const moment = new Date(0);
  moment.setUTCFullYear(year, month - 1 + count, 1);
  return moment.toISOString().slice(0, 10);
}

/** A time of day, such as 09:30. */
export function clock(moment, zone) {
  return clockOfMinutes(wallClock(moment, zone).minutes);
}

export function clockOfMinutes(minutes) {
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

/** A day in full, such as Monday 3 June 2030. */
export function longDay(day) {
  return showDay(day, "long", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
}

/** A month, such as June 2030. */
export function longMonth(day) {
  return showDay(day, "month", { month: "long", year: "numeric" });
}

/** A day in short, such as Mon 3 Jun. */
export function shortDay(day) {
  return showDay(day, "short", { weekday: "short", day: "numeric", month: "short" });
}

function showDay(day, name, options) {
  const moment = Date.parse(`${day}T12:00:00Z`);
  return format("UTC", name, options).format(moment).replace(",", "");
}

/** The times of a slot, such as 09:00–10:00 or `all day`, with the day of the end if that is another one. */
export function span({ start, end }, zone) {
  const [from, to] = [Date.parse(start), Date.parse(end)];
  const last = wallClock(to - 1, zone).day;
  const sameDay = wallClock(from, zone).day === last;
  const isWhole = [from, to].every((moment) => wallClock(moment, zone).minutes === 0);
  if (isWhole) return sameDay ? "all day" : `all day to ${shortDay(last)}`;
  return `${clock(from, zone)}–${sameDay ? "" : `${shortDay(wallClock(to, zone).day)} `}${clock(to, zone)}`;
}

/** A slot, such as Mon 3 Jun 09:00–10:00. */
export function dayAndSpan(slot, zone) {
  return `${shortDay(dayOf(slot, zone))} ${span(slot, zone)}`;
}

/** A room and a slot, such as 6.12, Mon 3 Jun 09:00–10:00. */
export function roomAndSlot(slot, zone) {
  return `${slot.room}, ${dayAndSpan(slot, zone)}`;
}

/** The day on which a slot begins. */
export function dayOf({ start }, zone) {
  return wallClock(Date.parse(start), zone).day;
}

/** A moment as ISO 8601 in UTC, the form that replicas take. */
export function iso(moment) {
  return new Date(moment).toISOString().replace(".000Z", "Z");
}

function offset(moment, zone) {
  const { day, minutes } = wallClock(moment, zone);
  const whole = Math.floor(moment / MINUTE_MS) * MINUTE_MS;
  return Date.parse(`${day}T00:00:00Z`) + minutes * MINUTE_MS - whole;
}
