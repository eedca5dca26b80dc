// The conflicts of reservations: who wanted which slot, what they got instead, and whether that is final; and the
// requests that had no effect, and why.

import { button, element, setText, shape } from "../shared/dom.js";
import { answers, ask } from "../shared/rest.js";
import { single } from "../shared/single.js";
import { roomAndSlot } from "../shared/times.js";

const PAUSE_MS = 1000; // events may come in bursts
const SHOWN_MAX = 200; // a conflict of a series may be many rows

export class Conflicts {
  /**
   * `count` shows how many there are. `source` has the user, `roomOf(name)` gives {timezone}. `on.look(id, slot)` runs
   * for a click on a row.
   */
  constructor(node, count, source, roomOf, on) {
    this.node = node;
    this.count = count;
    this.source = source;
    this.roomOf = roomOf;
    this.on = on;
    this.found = [];
    this.drawn = "";
    this.wantsMine = true;
    this.said = node.querySelector("[role=status]");
    this.list = node.querySelector("ol");
    [this.mine, this.all] = node.querySelectorAll("[aria-pressed]");
    this.mine.addEventListener("click", () => this.choose(true));
    this.all.addEventListener("click", () => this.choose(false));
    node.querySelector(".close").addEventListener("click", () => node.close());
    this.read = single(() => this.conflicts(), PAUSE_MS);
  }

  open() {
    this.node.showModal();
    this.draw();
  }

  choose(wantsMine) {
    this.wantsMine = wantsMine;
    this.draw();
  }

  /** Reads the conflicts again. If the replica does not answer, they stay as they are. */
  async conflicts() {
    if (this.source.isGuest) return; // guests may not read them
    await answers(async () => {
      this.found = (await ask("", "GET", "/conflicts")).conflicts;
      this.draw();
    });
  }

  /** Shows the counts, and the rows if the panel is open: the user's conflicts or all; without a user, all. */
  draw() {
    const { user } = this.source;
    const isMine = this.wantsMine && user !== "";
    const own = this.found.filter((conflict) => conflict.user === user);
    const shown = isMine ? own : this.found;
    this.mine.disabled = user === "";
    this.mine.setAttribute("aria-pressed", String(isMine));
    this.all.setAttribute("aria-pressed", String(!isMine));
    setText(this.mine, `Mine ${own.length}`);
    setText(this.all, `All ${this.found.length}`);
    setText(this.count, String(shown.length));
    if (this.node.open) this.drawRows(shown);
  }

  /** Draws the rows if they differ from those drawn. The same row keeps the focus. */
  drawRows(shown) {
    const rows = JSON.stringify(shown);
    if (rows === this.drawn) return;
    this.drawn = rows;
    const { row } = document.activeElement?.dataset ?? {};
    this.list.replaceChildren(...shown.slice(0, SHOWN_MAX).map((conflict) => this.makeRow(conflict)));
    const more = shown.length > SHOWN_MAX ? `The first ${SHOWN_MAX} of ${shown.length}:` : "";
    setText(this.said, shown.length ? more : "Nothing was rejected or moved, and everything had its effect.");
    if (row) this.list.querySelector(`[data-row="${CSS.escape(row)}"]`)?.focus({ preventScroll: true });
  }

  makeRow({ id, write, op, user, state, outcome, why, wanted, got }) {
    const look = () => {
      this.node.close();
      this.on.look(id, got ?? wanted);
    };
    const first = wanted ? this.slotWords(wanted) : op;
    const second = got ? this.slotWords(got) : "nothing";
    const finality = state === "committed" ? "final" : "may still change";
    const told = outcome === "rejected" ? null : why; // the words "→ nothing" tell of a rejection
    const label = [`${user} wanted ${first}, got ${second}, ${finality}`, told].filter(Boolean).join(". ");
    return element(
      "li",
      button(
        "",
        look,
        { "aria-label": label, "data-row": `${write} ${id}` },
        shape(why ? "rejected" : state),
        element("span.who", element("b.clipped", user), element("span.note", finality)),
        element("span.slots", element("span", first), " ", element("b", `→ ${second}`), element("span.note.optional", told)),
      ),
    );
  }

  slotWords(slot) {
    return roomAndSlot(slot, this.roomOf(slot.room).timezone);
  }
}
