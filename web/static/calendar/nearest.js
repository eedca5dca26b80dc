// The free time nearest to a wanted one. A pure function; moments are in milliseconds.

import { DAY_MIN, MINUTE_MS, clock, wallClock } from "../shared/times.js";
import { isClosedOn } from "./cells.js";

/**
 * A slot as long as `wanted` inside [from, to) that overlaps none of `busy` and starts as near to `wanted` as possible,
 * the earlier one of two. Null if there is none. It keeps to the opening hours and closed days, if they are given.
 */
export function nearest(wanted, busy, { from, to, zone, opens = null, closes = null, closed = [] }) {
  const length = wanted.end - wanted.start;
  const starts = [wanted.start, from, ...busy.map(({ end }) => end), ...busy.map(({ start }) => start - length)];
  if (opens || closed.length) starts.push(...openings(from, to, zone, opens ?? "00:00"));
  const free = starts.filter((start) => {
    const end = start + length;
    const inside = start >= from && end <= to && isOpen(start, end, zone, { opens, closes, closed });
    return inside && !busy.some((taken) => taken.start < end && start < taken.end);
  });
  const far = (start) => Math.abs(start - wanted.start);
  free.sort((left, right) => far(left) - far(right) || left - right);
  return free.length ? { start: free[0], end: free[0] + length } : null;
}

function isOpen(start, end, zone, { opens, closes, closed }) {
  const [first, last] = [start, end - 1].map((moment) => wallClock(moment, zone).day);
  if ([first, last].some((day) => isClosedOn(closed, day))) return false;
  if (!opens && !closes) return true;
  const sameDay = first === last;
  return sameDay && clock(start, zone) >= (opens ?? "00:00") && clock(end - 1, zone) < (closes ?? "24:00");
}

function openings(from, to, zone, opens) {
  const found = [];
  const [hours, minutes] = opens.split(":").map(Number);
  for (let moment = from; moment < to; moment += DAY_MIN * MINUTE_MS) {
    found.push(moment + (hours * 60 + minutes - wallClock(moment, zone).minutes) * MINUTE_MS);
  }
  return found;
}
