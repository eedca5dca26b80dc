// What states and outcomes are called, and their signs: one home for both pages, the same words as in the terminals.

export const SIGNS = { committed: "✓", tentative: "?", rejected: "✗", cancelled: "–" };

// Outcomes by which a write came to nothing, and what a screen says of each.
const NOTHING = {
  rejected: "no place left",
  unmoved: "stays where it was",
  forbidden: "not the owner",
  unknown: "no such reservation",
  cancelled: "was cancelled before",
  moved_meanwhile: "was moved meanwhile",
  failed: "failed",
  duplicate: "a repeat",
};

/** The status in an outcome such as `merged 29934720/29934780 6.12`. */
export function statusOf(outcome) {
  return outcome.split(" ", 1)[0];
}

/** Why a write did nothing; null where it did something. */
export function whyNothing(outcome) {
  return NOTHING[statusOf(outcome)] ?? null;
}

/** How a write of the log is drawn: its own state, but for one that came to nothing. */
export function looksOf(write) {
  return whyNothing(write.outcome) ? "rejected" : write.state;
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
