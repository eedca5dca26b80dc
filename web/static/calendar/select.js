// Selects time in the grid by dragging, by a tap, or by arrow keys. It reports what was selected, and keeps nothing.

const HOUR = 2; // half hours: what a click or Enter selects by itself
const DRAG_PX = 5;
const STEPS_OF_KEYS = {
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  PageUp: [0, -4],
  PageDown: [0, 4],
};

export class Select {
  /** It calls `on.choose(room, start, end)`, `on.open(reservation id)` or `on.drop(number of a choice)`. */
  constructor(grid, on) {
    this.grid = grid;
    this.on = on;
    this.drag = null;
    this.chosen = false; // by a drag that has just ended
    this.span = null; // of the keyboard: {column, from, to}
    const { node } = grid;
    node.addEventListener("pointerdown", (event) => this.begin(event));
    node.addEventListener("pointermove", (event) => this.follow(event));
    node.addEventListener("pointerup", (event) => this.end(event));
    node.addEventListener("pointercancel", () => this.cancel());
    node.addEventListener("click", (event) => this.tap(event));
    node.addEventListener("keydown", (event) => this.press(event));
  }

  /** A mouse or a pen drags; a finger scrolls, so that it chooses by a tap. */
  begin(event) {
    this.chosen = false;
    const cell = this.grid.cellOf(event.target);
    if (event.button !== 0 || event.pointerType === "touch" || !cell || !isFree(cell)) return;
    event.preventDefault(); // no selection of text
    this.grid.node.setPointerCapture(event.pointerId);
    this.grid.focus(cell.column, cell.row, false);
    this.drag = { cell, to: cell.row, x: event.clientX, y: event.clientY, moved: false };
    this.grid.mark(cell.column, cell.row, cell.row);
  }

  follow(event) {
    if (!this.drag) return;
    const { cell, x, y } = this.drag;
    this.drag.moved ||= Math.abs(event.clientX - x) + Math.abs(event.clientY - y) > DRAG_PX;
    const { top, height } = cell.node.getBoundingClientRect();
    const wanted = cell.row + Math.floor((event.clientY - top) / height);
    this.drag.to = this.reach(cell.column, cell.row, wanted);
    this.grid.mark(cell.column, ...inOrder(cell.row, this.drag.to));
  }

  end() {
    if (!this.drag) return;
    const { cell, to, moved } = this.drag;
    this.cancel();
    if (moved) this.choose(cell.column, cell.row, to);
    else this.chooseHour(cell);
    this.chosen = true; // the click that follows belongs to this drag
  }

  cancel() {
    this.drag = null;
    this.span = null;
    this.grid.mark();
  }

  tap(event) {
    if (this.chosen) {
      this.chosen = false;
      return;
    }
    const block = event.target.closest(".block");
    if (block) {
      this.on.open(block.dataset.id);
      return;
    }
    const cell = this.grid.cellOf(event.target);
    if (cell) this.enter(cell);
  }

  press(event) {
    const cell = this.grid.cellOf(event.target);
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const done = this.move(event, cell) || this.act(event, cell);
    if (done) event.preventDefault();
  }

  move({ key, shiftKey }, { column, row }) {
    if (shiftKey && (key === "ArrowDown" || key === "ArrowUp")) return this.extend(column, row, STEPS_OF_KEYS[key][1]);
    const last = this.grid.columns.length - 1;
    const steps = { ...STEPS_OF_KEYS, Home: [-column, 0], End: [last - column, 0] }[key];
    if (!steps) return false;
    this.cancel();
    const rows = this.grid.cells[column].length;
    this.grid.focus(clamp(column + steps[0], 0, last), clamp(row + steps[1], 0, rows - 1));
    return true;
  }

  extend(column, row, step) {
    if (!isFree(this.grid.cellAt(column, row))) return true;
    this.span ??= { column, anchor: row, to: row };
    this.span.to = this.reach(column, this.span.anchor, this.span.to + step);
    const { anchor, to } = this.span;
    this.grid.focus(column, to);
    this.grid.mark(column, ...inOrder(anchor, to));
    return true;
  }

  act({ key }, cell) {
    if (key === "Escape" && this.span) this.cancel();
    else if (key === "Enter" || key === " ") this.enter(cell);
    else return false;
    return true;
  }

  enter(cell) {
    if (cell.taken) this.on.open(cell.taken.id);
    else if (this.span) this.choose(cell.column, this.span.anchor, this.span.to);
    else if (cell.choice) this.on.drop(cell.choice);
    else if (isFree(cell)) this.chooseHour(cell);
    this.cancel();
  }

  chooseHour({ column, row }) {
    this.choose(column, row, this.reach(column, row, row + HOUR - 1));
  }

  choose(column, from, to) {
    const [first, last] = inOrder(from, to).map((row) => this.grid.cellAt(column, row));
    this.on.choose(first.room, first.start, last.end);
  }

  /** The row nearest to `wanted` such that everything from `row` to it is free. */
  reach(column, row, wanted) {
    const step = Math.sign(wanted - row);
    let at = row;
    while (at !== wanted && isFree(this.grid.cellAt(column, at + step))) at += step;
    return at;
  }
}

function isFree(cell) {
  return cell !== null && cell.start !== null && cell.taken === null && cell.choice === null;
}

function inOrder(one, other) {
  return one < other ? [one, other] : [other, one];
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
