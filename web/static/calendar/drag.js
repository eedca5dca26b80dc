// Moves the user's reservations by dragging, and changes their ends by dragging the edges. The keyboard has "Move …" in
// the details for it. It reports what is wanted, and changes nothing itself.

import { element } from "../shared/dom.js";
import { DAY_MIN, MINUTE_MS, addDays, clock, dayStart, momentOf, wallClock } from "../shared/times.js";
import { stretch } from "./blocks.js";
import { STEPS, STEP_MIN, extentOf } from "./cells.js";
import { nameOf, roomsOf } from "./facts.js";

const DRAG_PX = 5;
const EDGE_PX = 7; // as in calendar-grid.css
const SCROLL_PX = 36; // so near to an edge of the calendar it scrolls

export class Drag {
  /** `on.move(reservation, {room, start, end})` moves it, and returns a promise of the end of that. */
  constructor(grid, on) {
    this.grid = grid;
    this.on = on;
    this.drag = null;
    const { node } = grid;
    node.addEventListener("pointerdown", (event) => this.begin(event));
    node.addEventListener("pointermove", (event) => this.follow(event));
    node.addEventListener("pointerup", () => this.end());
    node.addEventListener("pointercancel", () => this.cancel());
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.cancel());
  }

  /** A mouse or a pen drags; a finger scrolls. */
  begin(event) {
    const block = event.target.closest('.block[data-draggable="true"]');
    if (!block || event.button !== 0 || event.pointerType === "touch") return;
    event.preventDefault(); // no selection of text
    const at = this.grid.positionAt(event.clientX, event.clientY);
    const held = this.grid.held[at.column].find(({ id }) => id === block.dataset.id);
    const { top, bottom } = block.getBoundingClientRect();
    const part = event.clientY > bottom - EDGE_PX ? "end" : event.clientY < top + EDGE_PX ? "start" : "whole";
    this.drag = { block, held, at, part, x: event.clientX, y: event.clientY, ghost: null, wanted: null };
  }

  follow(event) {
    const { drag } = this;
    if (!drag) return;
    if (!drag.ghost) {
      if (Math.abs(event.clientX - drag.x) + Math.abs(event.clientY - drag.y) <= DRAG_PX) return;
      // Not before: a click is that of the block only if nothing has captured the pointer.
      this.grid.node.setPointerCapture(event.pointerId);
      drag.ghost = element("div.ghost");
      drag.block.classList.add("dragged");
    }
    this.scroll(event.clientY);
    const at = this.grid.positionAt(event.clientX, event.clientY);
    const column = drag.part === "whole" ? at.column : drag.at.column;
    const slot = this.slotAt(this.grid.columns[column], at.row);
    if (!slot) return;
    drag.wanted = slot;
    this.show(column, slot);
  }

  /** The slot if the pointer is over this row of a column: {room, start, end}; null if there is none. */
  slotAt(column, row) {
    const { held, at, part } = this.drag;
    const { day, zone } = column;
    const room = roomAfter(held, this.grid.columns[at.column].room, column.room);
    let { from: start, to: end } = held;
    if (part === "whole") {
      const length = end - start;
      const minutes = wallClock(start, zone).minutes + (row - at.row) * STEP_MIN;
      const last = DAY_MIN - length / MINUTE_MS;
      start = momentOf(day, Math.max(0, Math.min(minutes, last)), zone);
      end = start === null ? null : start + length;
    } else if (part === "start") {
      start = momentOf(day, row * STEP_MIN, zone);
    } else {
      end = row === STEPS - 1 ? dayStart(addDays(day, 1), zone) : momentOf(day, (row + 1) * STEP_MIN, zone);
    }
    return start === null || end === null || end <= start ? null : { room, start, end };
  }

  show(index, { start, end }) {
    const { ghost, held } = this.drag;
    const column = this.grid.columns[index];
    const inWay = this.grid.held[index].find(({ id, from, to }) => id !== held.id && from < end && start < to);
    ghost.classList.toggle("in-way", Boolean(inWay));
    const times = `${clock(start, column.zone)}–${clock(end, column.zone)}`;
    ghost.textContent = inWay ? `${times} taken by ${inWay.owner}` : times;
    stretch(ghost, extentOf(column, start, end));
    this.grid.layers[index].append(ghost);
  }

  scroll(y) {
    const { node } = this.grid;
    const { top, bottom } = node.getBoundingClientRect();
    if (y < top + 2 * SCROLL_PX) node.scrollTop -= SCROLL_PX / 2; // the titles of the columns stay at the top
    if (y > bottom - SCROLL_PX) node.scrollTop += SCROLL_PX / 2;
  }

  async end() {
    const { drag } = this;
    this.drag = null;
    if (!drag?.ghost) return;
    const { held, wanted, block, ghost } = drag;
    const isSame =
      !wanted || (wanted.start === held.from && wanted.end === held.to && block.parentNode === ghost.parentNode);
    try {
      if (!isSame) await this.on.move(held, wanted);
    } finally {
      clear(drag);
    }
  }

  cancel() {
    if (this.drag) clear(this.drag);
    this.drag = null;
  }
}

/** Where a reservation is after a drag from one room to another: of several rooms, the others stay. */
function roomAfter({ room }, from, to) {
  const rooms = roomsOf(room ?? from);
  return nameOf(rooms.includes(to) ? rooms : rooms.map((one) => (one === from ? to : one)));
}

function clear({ block, ghost }) {
  ghost?.remove();
  block.classList.remove("dragged");
}
