// What a log holds, and how one log became another. Pure functions.

import { statusOf } from "../shared/words.js";

const DAY_MS = 86_400_000;

/** The part of a log that stays as it is, because commits never move. */
export function committedPart(writes) {
  return writes.filter((write) => write.csn !== null);
}

/**
 * From the log `before` to the log `after`: {arrived, replayed, changed}, each a list of write ids in the new order.
 *
 * `arrived` are new. `replayed` were undone and played again, because another write came before them on their pages.
 * `changed` have another outcome than before.
 */
export function difference(before, after) {
  const old = new Map(before.map((write, index) => [write.id, { write, index }]));
  const arrived = after.filter((write) => !old.has(write.id)).map((write) => write.id);
  const changed = after.filter((write) => old.has(write.id) && old.get(write.id).write.outcome !== write.outcome);
  const replayed = new Set(changed.map((write) => write.id));
  after.forEach((write, index) => {
    for (const id of pushedBack(write, after.slice(index + 1), old)) replayed.add(id);
  });
  return {
    arrived,
    changed: changed.map((write) => write.id),
    replayed: after.filter((write) => replayed.has(write.id)).map((write) => write.id),
  };
}

/** The played writes after `write` that it pushed back: they share pages with it, directly or through one another. */
function pushedBack(write, later, old) {
  const own = old.get(write.id);
  const played = later.filter((other) => old.has(other.id) && old.get(other.id).write.csn === null);
  const overtaken = played.filter((other) => !own || old.get(other.id).index < own.index);
  const pages = new Set(pagesOf(write));
  if (!overtaken.some((other) => shares(other, pages))) return [];
  const found = own && own.write.csn === null ? [write.id] : [];
  for (const other of played) {
    if (!shares(other, pages)) continue;
    found.push(other.id);
    for (const page of pagesOf(other)) pages.add(page);
  }
  return found;
}

function shares(write, pages) {
  return pagesOf(write).some((page) => pages.has(page));
}

/** The pages of a write, as far as its description says; all pages of its application if it says nothing. */
function pagesOf(write) {
  const { reservation, room, slots = [], result } = write.describe;
  if (!reservation) return [write.app];
  const found = [`reservation:${reservation}`];
  for (const slot of result ? [...slots, result] : slots) {
    const last = (Date.parse(slot.end) - 1) / DAY_MS;
    for (let day = Math.floor(Date.parse(slot.start) / DAY_MS); day <= last; day += 1) {
      found.push(`room:${slot.room ?? room}/${day}`);
    }
  }
  return found;
}

/** The room and slot to which a write brought its reservation, or null. */
export function resultOf(write) {
  return ["updated", "merged", "unmoved"].includes(statusOf(write.outcome)) ? (write.describe.result ?? null) : null;
}
