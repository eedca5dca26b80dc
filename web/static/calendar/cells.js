// The columns of a calendar as half hours: which moments each cell stands for, and what is in it. Pure functions.

import { DAY_MIN, MINUTE_MS, clockOfMinutes, momentOf, wallClock } from "../shared/times.js";

export const STEP_MIN = 30;
export const STEPS = DAY_MIN / STEP_MIN;
const WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/** Whether nothing can be reserved on a day. `closed` lists the closed days of a room: `saturday`, `2026-12-24/2027-01-01 holidays` … */
export function isClosedOn(closed, day) {
  const weekday = WEEKDAYS[new Date(`${day}T00:00:00Z`).getUTCDay()];
  return closed.some((text) => {
    const [first, last = first] = text.split(" ")[0].split("/");
    return first === weekday || (first <= day && day <= last);
  });
}

/** The cells of a column, one for each half hour of the wall clock; `start` is null if clocks skip it. */
export function cellsOf({ room, day, zone, opens, closes, closed: closedDays }) {
  const shut = isClosedOn(closedDays, day);
  return Array.from({ length: STEPS }, (_, index) => {
    const minutes = index * STEP_MIN;
    const start = momentOf(day, minutes, zone);
    const time = clockOfMinutes(minutes);
    const closed = shut || (opens !== null && time < opens) || (closes !== null && time >= closes);
    return { room, day, time, start, end: start === null ? null : start + STEP_MIN * MINUTE_MS, closed };
  });
}

/** The reservations of a calendar that are in this column, with their ends as moments `from` and `to`. */
export function inColumn(reservations, { day, zone }) {
  return reservations
    .map((reservation) => ({ ...reservation, from: Date.parse(reservation.start), to: Date.parse(reservation.end) }))
    .filter(({ from, to }) => wallClock(from, zone).day <= day && wallClock(to - 1, zone).day >= day);
}

/** Whether [from, to) is inside the day of a column. */
export function isWithinDay({ day, zone }, from, to) {
  return wallClock(from, zone).day === day && wallClock(to - 1, zone).day === day;
}

/** Where [from, to) is in a column: {top, height} in half hours of its wall clock. */
export function extentOf({ day, zone }, from, to) {
  const [first, last] = [wallClock(from, zone), wallClock(to, zone)];
  const top = first.day < day ? 0 : first.minutes;
  const bottom = last.day > day ? DAY_MIN : last.minutes;
  return { top: top / STEP_MIN, height: Math.max(bottom - top, STEP_MIN / 2) / STEP_MIN };
}
