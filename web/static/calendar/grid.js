// The calendar as an ARIA grid: a row for each half hour, a column for each room or day. Cells have the words and the
// focus; what is drawn over them (blocks.js) is only for the eye.

import { button, element } from "../shared/dom.js";
import { clock, dayAndSpan, dayOf, span, wallClock } from "../shared/times.js";
import { SIGNS } from "../shared/words.js";
import { drawChoices, drawNow, drawReservations } from "./blocks.js";
import { STEPS, cellsOf, inColumn } from "./cells.js";
import { roomsOf } from "./facts.js";

const MORNING = 14; // the half hour to which an empty day is scrolled: 07:00
const WORDS = { committed: "final", tentative: "may still move" };

export class Grid {
  /** `lead(changes)` runs when a column's title is activated. */
  constructor(node, lead) {
    this.node = node;
    this.lead = lead;
    this.columns = [];
    this.cells = []; // [column][row] of {room, day, start, end, node, taken, choice}
    this.held = []; // [column] of the reservations in it, with their ends as moments `from` and `to`
    this.shape = "";
    this.at = { column: 0, row: MORNING };
  }

  /** Shows these columns. The same ones as before keep their cells, and with them the focus. */
  show({ columns, zone, calendars, choices, me, marks, shifted }) {
    const shape = JSON.stringify([columns, zone]);
    if (shape !== this.shape) this.build(columns, zone);
    this.shape = shape;
    columns.forEach((column, index) => {
      const held = inColumn(calendars.get(column.room) ?? [], column).map((reservation) => ({
        ...reservation,
        asked: askedWords(shifted.get(reservation.id), column),
        others: othersWords(reservation.room, column),
      }));
      this.held[index] = held;
      const chosen = choices
        .filter(({ room }) => room === column.room)
        .map(({ number, start, end }) => ({ number, from: start, to: end }));
      for (const cell of this.cells[index]) this.fill(cell, column, held, chosen);
      drawReservations(this.layers[index], column, held, me, marks);
      drawChoices(this.layers[index], column, chosen);
    });
    this.node.dataset.read = String(calendars.size > 0);
    this.tick();
  }

  /** Moves the line of the current time. */
  tick() {
    this.columns.forEach((column, index) => drawNow(this.layers[index], column, Date.now()));
  }

  build(columns, zone) {
    const first = this.columns.length === 0;
    this.columns = columns;
    this.cells = columns.map((column) => cellsOf(column));
    this.layers = columns.map(() => element("div.layer"));
    this.at.column = Math.min(this.at.column, Math.max(columns.length - 1, 0));
    const heads = columns.map((column) => this.makeHead(column));
    const city = zone.split("/").at(-1).replaceAll("_", " ");
    const corner = element("span.corner.soft", { role: "columnheader", title: `Times are in ${zone}` }, city);
    const rows = Array.from({ length: STEPS }, (_, row) => this.makeRow(row));
    const grid = element(
      "div.grid",
      { role: "grid", "aria-label": `Reservations, times in ${zone}`, "aria-multiselectable": "true" },
      element("div.heads", { role: "row" }, corner, ...heads),
      ...rows,
      element("div.layers", { "aria-hidden": "true" }, ...this.layers),
    );
    const { scrollLeft: left, scrollTop: top } = this.node;
    this.node.style.setProperty("--columns", String(columns.length));
    const none = element("p.none.soft", "There are no rooms yet; the configuration names them.");
    this.node.replaceChildren(columns.length ? grid : none);
    if (columns.length) this.node.scrollTo(left, first ? this.firstLook() : top);
    this.setTabStop();
  }

  makeHead(column) {
    const now = wallClock(Date.now(), column.zone).day === column.day && column.title !== column.room;
    const attributes = { tabindex: "-1", title: column.facts || null };
    return element(
      now ? "span.head.now" : "span.head",
      { role: "columnheader" },
      button(".plain.clipped", () => this.lead(column.leads), attributes, column.title),
      column.hint ? element("small.soft", column.hint) : null,
    );
  }

  makeRow(row) {
    const label = row % 2 ? null : this.cells[0]?.[row].time;
    const cells = this.columns.map((column, index) => {
      const cell = this.cells[index][row];
      cell.node = element(cell.closed ? "div.cell.closed" : "div.cell", {
        role: "gridcell",
        tabindex: "-1",
        "data-room": cell.room,
        "data-day": cell.day,
        "data-time": cell.time,
        "data-at": `${index} ${row}`,
      });
      return cell.node;
    });
    return element("div.row", { role: "row" }, element("span.hour.soft", { role: "rowheader" }, label), ...cells);
  }

  fill(cell, column, held, chosen) {
    const inCell = ({ from, to }) => cell.start !== null && from < cell.end && cell.start < to;
    cell.taken = held.find(inCell) ?? null;
    cell.choice = chosen.find(inCell)?.number ?? null;
    const label = `${column.title} ${cell.time}: ${contentOf(cell)}`;
    if (cell.node.getAttribute("aria-label") !== label) cell.node.setAttribute("aria-label", label);
    cell.node.setAttribute("aria-selected", String(cell.choice !== null));
    cell.node.classList.toggle("skipped", cell.start === null);
  }

  /** The cell that a node is, or null. */
  cellOf(node) {
    const at = node?.closest?.("[data-at]")?.dataset.at;
    return at ? this.cellAt(...at.split(" ").map(Number)) : null;
  }

  /** The cell at this position, or null beyond the edges. */
  cellAt(column, row) {
    const cell = this.cells[column]?.[row];
    return cell ? { column, row, ...cell } : null;
  }

  /** The column and the row at a point of the window, or the nearest ones: {column, row}. */
  positionAt(x, y) {
    const boxes = this.layers.map((layer) => layer.getBoundingClientRect());
    const beyond = boxes.findIndex(({ right }) => x < right);
    const { top, height } = boxes[0];
    const row = Math.floor(((y - top) / height) * STEPS);
    return { column: beyond === -1 ? boxes.length - 1 : beyond, row: Math.max(0, Math.min(row, STEPS - 1)) };
  }

  /** `seen` shows the focus, as for a user of the keyboard. */
  focus(column, row, seen = true) {
    this.at = { column, row };
    this.setTabStop();
    this.cells[column][row].node.focus({ preventScroll: true, focusVisible: seen });
    this.cells[column][row].node.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Scrolls to the cell of a moment in a room; the keyboard starts there. */
  lookFor(room, moment) {
    this.cells.forEach((cells, column) =>
      cells.forEach((cell, row) => {
        if (cell.room !== room || cell.start === null || moment < cell.start || moment >= cell.end) return;
        this.at = { column, row };
        this.setTabStop();
        cell.node.scrollIntoView({ block: "center", inline: "nearest" });
      }),
    );
  }

  setTabStop() {
    for (const node of this.node.querySelectorAll('.cell[tabindex="0"]')) node.tabIndex = -1;
    const cell = this.cells[this.at.column]?.[this.at.row];
    if (cell) cell.node.tabIndex = 0;
  }

  /** Marks what is being selected: rows `from` to `to` of a column; nothing without arguments. */
  mark(column = null, from = 0, to = -1) {
    this.cells.forEach((cells, index) =>
      cells.forEach(({ node }, row) => node.classList.toggle("marked", index === column && row >= from && row <= to)),
    );
  }

  firstLook() {
    const today = this.columns.find(({ day, zone }) => wallClock(Date.now(), zone).day === day);
    const opens = this.columns[0]?.opens;
    let row = opens ? Number(opens.slice(0, 2)) * 2 - 1 : MORNING;
    if (today) row = Math.min(row, Math.max(0, Number(clock(Date.now(), today.zone).slice(0, 2)) * 2 - 2));
    this.at.row = Math.max(row, 0);
    return (
      this.node.querySelectorAll(".row")[this.at.row]?.offsetTop - 1.4 * this.node.querySelector(".heads").offsetHeight
    );
  }
}

/** For a reservation that stands at another local time than it was asked for: that time, in words. */
function askedWords(slot, { day, zone }) {
  if (!slot) return "";
  return `asked for ${dayOf(slot, zone) === day ? span(slot, zone) : dayAndSpan(slot, zone)}`;
}

/** For a reservation of several rooms: the others, in words. Its calendars give `room` only then. */
function othersWords(room, column) {
  return room ? `with ${roomsOf(room).filter((one) => one !== column.room).join(", ")}` : "";
}

/** What is in a cell, in words. */
function contentOf({ start, taken, choice, closed }) {
  if (start === null) return "does not exist: clocks change";
  if (taken) {
    const who = `${SIGNS[taken.state]} ${taken.owner ?? "taken"}`;
    return [who, taken.purpose, taken.others, WORDS[taken.state], taken.asked].filter(Boolean).join(", ");
  }
  if (choice) return `chosen as ${choice}`;
  return closed ? "free, outside opening hours" : "free";
}
