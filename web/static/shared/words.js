// The names and signs of states and outcomes, the same on both web pages and in the terminals.

export const SIGNS = { committed: "✓", tentative: "?", rejected: "✗", cancelled: "–" };

// The outcomes of a write that was rejected or changed nothing.
const NOTHING = {
  rejected: "no slot left",
  conflict: "conflict",
  unmoved: "stays where it was",
  kept: "stays with its series",
  open_reservations: "too many open reservations",
  forbidden: "not allowed",
  unknown: "no such reservation",
  cancelled: "was cancelled before",
  moved_meanwhile: "was moved meanwhile",
  failed: "failed",
  duplicate: "a repeat",
  differs: "its id was used before",
};

/** The status in an outcome such as `merged 29934720/29934780 6.12`. */
export function statusOf(outcome) {
  return outcome.split(" ", 1)[0];
}

/** Why a write did nothing; null if it did something. */
export function whyNothing(outcome) {
  return NOTHING[statusOf(outcome)] ?? null;
}

/** How a write of the log is drawn: as rejected if it changed nothing, else by its state. */
export function looksOf(write) {
  return whyNothing(write.outcome) ? "rejected" : write.state;
}

/** How far a tentative reservation or write has spread, by the labels of the replicas that are known to hold it. */
export function whereHeld(holders) {
  const [first, last] = [holders.slice(0, -1), holders.at(-1)];
  return first.length ? `at ${first.join(", ")} and ${last}, waiting for the primary` : `at ${last} only`;
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/** The colour of the replica at this position of the configuration, for data-colour (base.css). */
export function colourOf(index) {
  return String(index % 8);
}
