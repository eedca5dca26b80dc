// Shows at one replica how writes were undone and played again: step by step while it is played, and as a list.

import { button, element, setText } from "../shared/dom.js";
import { span } from "../shared/times.js";
import { plural, whyNothing } from "../shared/words.js";
import { pause } from "./motion.js";

const STEP_MS = { manual: 400, auto: 170 }; // a class watches each step
const ALL_MS = 5000; // however many steps there are
const KEPT_MAX = 5; // replays that are listed

export class Replay {
  constructor(label, zone) {
    this.zone = zone;
    this.stepMs = 0;
    this.stepsLeft = 0;
    this.endMs = 0; // when the last step is to be done
    this.skip = () => {}; // ends what is being played
    this.skipped = Promise.resolve();
    this.now = element("span");
    this.skipper = button(".skip", () => this.skip(), "Skip");
    this.playing = element("p.playing", { hidden: "" }, this.now, this.skipper);
    this.counts = element("summary");
    this.lists = element("div.steps", { tabindex: "0", "aria-label": `What was undone and played again at ${label}` });
    this.details = element("details.replay", { hidden: "" }, this.counts, this.lists);
    document.addEventListener("visibilitychange", () => document.hidden && this.skip());
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.skip());
  }

  /** Lists these replays, each as the event `replay` of GET /events says it. */
  list(replays) {
    const listed = replays.slice(-KEPT_MAX);
    this.details.hidden = false;
    setText(this.counts, countsOf(listed.at(-1)));
    this.lists.replaceChildren(
      ...listed.flatMap((replay, index) => [
        index < listed.length - 1 ? element("p", countsOf(replay)) : null,
        element("ol", ...linesOf(replay, this.zone).map((line) => element("li", line))),
      ]).filter(Boolean),
    );
  }

  /** Begins to play these replays, so fast that all of them take a few seconds, also where drawing takes its time. */
  begin(replays, pace) {
    this.stepMs = STEP_MS[pace];
    this.stepsLeft = replays.reduce((sum, { undone, played_again: again }) => sum + undone.length + again.length, 0);
    this.endMs = performance.now() + ALL_MS;
    this.skipped = new Promise((done) => {
      this.skip = done;
    });
    this.show(this.stepsLeft > 0);
  }

  end() {
    this.show(false);
    this.skip();
  }

  /** Shows the step that is being played, or else the list. */
  show(isPlaying) {
    this.playing.hidden = !isPlaying;
    this.details.hidden = isPlaying || this.lists.childElementCount === 0;
  }

  /** Says what is done now, and waits until it was seen, or until somebody skips it. */
  async step(words) {
    setText(this.now, words);
    const share = (this.endMs - performance.now()) / this.stepsLeft;
    if (share <= 0) return this.skip(); // drawing took so long that the rest is shown at once
    this.stepsLeft -= 1;
    return this.until(pause(Math.min(this.stepMs, share)));
  }

  /** Waits for a promise, or until somebody skips what is being played. */
  until(promise) {
    return Promise.race([promise, this.skipped]);
  }
}

/** A step of a replay: a write that was undone, with what it had; or one that was played again, if it has an `after`. */
export function stepWords(step, zone) {
  const before = resultWords(step.before, zone);
  if (step.after === undefined) return `↶ ${nameOf(step)}: ${before}`;
  let after = resultWords(step.after, zone);
  if (after === before) after = `${before}, as before`;
  else if (step.before?.start && step.before.room === step.after?.room) after = `${before} → ${span(step.after, zone)}`;
  else after = `${before} → ${after}`;
  const why = step.after ? null : whyNothing(step.outcome);
  const number = step.csn === null ? null : `committed, number ${step.csn}`;
  return [`↷ ${nameOf(step)}: ${after}`, why, number].filter(Boolean).join(", ");
}

/** The lines of a replay, in the order in which the replica did it. */
function linesOf({ undone, played_again: again, left_out: others }, zone) {
  const more = others > 0 ? [`… and ${plural(others, "later write")}: undone before these, played again after them`] : [];
  return [...[...undone, ...again].map((step) => stepWords(step, zone)), ...more];
}

function countsOf({ rolled_back: undone, replayed, from }) {
  return `↶ ${undone} undone · ↷ ${replayed} replayed${from ? `, from ${from}` : ""}`;
}

function nameOf({ user, what, op, stamp }) {
  if (op === null) return `the write ${stamp}`; // it is no longer in the log
  return user ? `${user}’s ${what}` : what;
}

function resultWords(result, zone) {
  if (!result) return "nothing";
  if (result.start) return `${result.room} ${span(result, zone)}`;
  return Object.values(result).filter((value) => typeof value === "string").join(" ");
}
