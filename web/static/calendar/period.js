// The moments that users write in fields for a day and for times. Pure functions.

import { addDays, momentOf } from "../shared/times.js";

export const NO_PERIOD = "Give a day, a start and an end. The end must be after the start.";

/** {start, end} in moments; 00:00 as the end is midnight. Null if one is missing or skipped by clocks, or out of order. */
export function periodOf(day, from, to, zone) {
  if (!day) return null;
  const [start, end] = [startAt(day, from, zone), endAt(day, to, zone)];
  return start === null || end === null || end <= start ? null : { start, end };
}

/** The moment of a time that a user wrote; null if it is not a time, or if clocks skip it. */
export function startAt(day, text, zone) {
  const minutes = minutesOf(text);
  return minutes === null ? null : momentOf(day, minutes, zone);
}

/** The same for the end of a slot, where 00:00 is the midnight after the day. */
export function endAt(day, text, zone) {
  return startAt(minutesOf(text) === 0 ? addDays(day, 1) : day, text, zone);
}

/** 9:15, 0915, 9 or 09:15:00 as minutes since midnight; null for anything else. */
function minutesOf(text) {
  const found = /^(\d{1,2})[:.h]?(\d{2})?(:00)?$/.exec(text.trim());
  if (!found) return null;
  const [hours, minutes] = [Number(found[1]), Number(found[2] ?? 0)];
  return hours < 24 && minutes < 60 ? hours * 60 + minutes : null;
}
