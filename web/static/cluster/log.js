// What a log holds, and how one log became another. Pure functions.

import { statusOf } from "../shared/words.js";

/** The part of a log that stays as it is, because commits never move. */
export function committedPart(writes) {
  return writes.filter((write) => write.csn !== null);
}

/** From the log `before` to the log `after`: the ids of the writes that `arrived`, and of those whose outcome `changed`. */
export function difference(before, after) {
  const old = new Map(before.map((write) => [write.id, write]));
  return {
    arrived: after.filter(({ id }) => !old.has(id)).map(({ id }) => id),
    changed: after.filter(({ id, outcome }) => old.has(id) && old.get(id).outcome !== outcome).map(({ id }) => id),
  };
}

/** The room and slot to which a write brought its reservation, or null. */
export function resultOf(write) {
  return ["updated", "merged", "unmoved"].includes(statusOf(write.outcome)) ? (write.describe.result ?? null) : null;
}

/** How many of the writes in the logs of all `followers` a replica with this `info` does not hold. */
export function countMissing({ vectors, csn }, followers) {
  const known = new Map(followers.flatMap(({ writes }) => writes.map((write) => [write.id, write])));
  return [...known.values()].filter(({ id, csn: number }) => {
    const [stamp, origin] = id.split("@");
    return !(vectors.V[origin] >= stamp) && !(number !== null && number <= csn);
  }).length;
}
