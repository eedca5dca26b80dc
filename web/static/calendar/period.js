// The period that a field for a day and two fields for times give. A pure function.

import { addDays, momentOf } from "../shared/times.js";

export const NO_PERIOD = "Give a day, a start and an end; the end comes after the start.";

/** {start, end} in moments; 00:00 as the end is midnight. Null if one is missing or skipped by clocks, or out of order. */
export function periodOf(day, from, to, zone) {
  if (!day) return null;
  const start = momentAt(day, from, zone);
  const end = momentAt(to === "00:00" ? addDays(day, 1) : day, to, zone);
  return start === null || end === null || end <= start ? null : { start, end };
}

function momentAt(day, time, zone) {
  const found = /^(\d{2}):(\d{2})/.exec(time);
  return found ? momentOf(day, Number(found[1]) * 60 + Number(found[2]), zone) : null;
}
