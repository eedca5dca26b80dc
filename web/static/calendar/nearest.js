// The free time nearest to a wanted one. A pure function; moments are in milliseconds.

import { DAY_MIN, MINUTE_MS, clock, wallClock } from "../shared/times.js";

/**
 * A slot as long as `wanted` inside [from, to) that overlaps none of `busy` and starts as near to `wanted` as possible,
 * the earlier one of two. Null if there is none. It keeps to the opening hours, if they are given.
 */
export function nearest(wanted, busy, { from, to, zone, opens = null, closes = null }) {
  const length = wanted.end - wanted.start;
  const starts = [wanted.start, from, ...busy.map(({ end }) => end), ...busy.map(({ start }) => start - length)];
  if (opens) starts.push(...openings(from, to, zone, opens));
  const free = starts.filter((start) => {
    const end = start + length;
    const inside = start >= from && end <= to && isOpen(start, end, zone, opens, closes);
    return inside && !busy.some((taken) => taken.start < end && start < taken.end);
  });
  const far = (start) => Math.abs(start - wanted.start);
  free.sort((left, right) => far(left) - far(right) || left - right);
  return free.length ? { start: free[0], end: free[0] + length } : null;
}

function isOpen(start, end, zone, opens, closes) {
  if (!opens && !closes) return true;
  const sameDay = wallClock(start, zone).day === wallClock(end - 1, zone).day;
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
