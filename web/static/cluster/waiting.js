// The tentative writes that wait for long, or whose replica does not answer or was forgotten; and what helps.

import { element, setMessage } from "../shared/dom.js";
import { answers, ask } from "../shared/rest.js";
import { single } from "../shared/single.js";
import { clock, roomAndSlot, shortDay, wallClock } from "../shared/times.js";
import { whereHeld } from "../shared/words.js";

const PAUSE_MS = 1000; // events may come in bursts
const SHOWN_MAX = 50;
const STATES = { forgotten: ", which was forgotten", unreachable: ", which does not answer", waits_long: "" };

export class Waiting {
  constructor(node, zone) {
    this.node = node;
    this.zone = zone;
    this.list = node.querySelector("ol");
    this.read = single(() => this.waiting(), PAUSE_MS);
  }

  /** Reads them again. If the replica does not answer, they stay as they are. */
  async waiting() {
    await answers(async () => {
      const { writes, help } = await ask("", "GET", "/replica/waiting");
      this.node.hidden = writes.length === 0;
      setMessage(this.node.querySelector(".help"), help ?? "");
      const more = writes.length > SHOWN_MAX ? [element("li", `and ${writes.length - SHOWN_MAX} more`)] : [];
      this.list.replaceChildren(...writes.slice(0, SHOWN_MAX).map((write) => this.makeRow(write)), ...more);
    });
  }

  makeRow({ user, op, describe, accepted_at: at, accepted_by: by, because, held_by: holders }) {
    const { room, slots = [], result } = describe;
    const slot = result?.start ? result : slots[0] && { room, ...slots[0] };
    const since = Date.parse(at);
    const when = `${shortDay(wallClock(since, this.zone).day)} ${clock(since, this.zone)}`;
    const what = slot ? `${op} ${roomAndSlot(slot, this.zone)}` : op;
    return element(
      "li",
      element("b", user),
      ` ${what}, since ${when}, accepted by ${by}${STATES[because]}; ${whereHeld(holders)}`,
    );
  }
}
