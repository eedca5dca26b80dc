// Draws over the cells of a column: reservations, the times being chosen, and the line of the current time. This is for
// the eye; cells have the words.

import { element, setText } from "../shared/dom.js";
import { clock, dayOf, shortDay, span, wallClock } from "../shared/times.js";
import { SIGNS } from "../shared/words.js";
import { extentOf, isWithinDay } from "./cells.js";
import { roomsOf } from "./facts.js";

// As in calendar-grid.css: they decide for how many lines a block has room.
const [ROW_PX, EDGE_PX, LINE_PX] = [26, 7, 17];

/** Draws the reservations of a column. `marks` says from where some have moved: {room, start, end} by id. */
export function drawReservations(layer, column, held, me, marks) {
  const before = new Map([...layer.querySelectorAll(".block")].map((node) => [node.dataset.id, node]));
  for (const reservation of held) {
    const node = before.get(reservation.id) ?? layer.appendChild(makeBlock(reservation.id));
    before.delete(reservation.id);
    fillBlock(node, reservation, column, me, marks.get(reservation.id) ?? null);
  }
  for (const node of before.values()) node.remove();
}

export function drawChoices(layer, column, chosen) {
  for (const node of layer.querySelectorAll(".choice")) node.remove();
  for (const { from, to, number } of chosen) {
    if (wallClock(from, column.zone).day > column.day || wallClock(to - 1, column.zone).day < column.day) continue;
    const times = `${clock(from, column.zone)}–${clock(to, column.zone)}`;
    const node = element("div.choice", element("b.number", number), times);
    stretch(node, extentOf(column, from, to));
    layer.append(node);
  }
}

export function drawNow(layer, column, moment) {
  const { day, minutes } = wallClock(moment, column.zone);
  let line = layer.querySelector(".line");
  if (day !== column.day) {
    line?.remove();
    return;
  }
  line ??= layer.appendChild(element("div.line"));
  line.style.setProperty("--top", String(minutes / 30));
}

function makeBlock(id) {
  return element(
    "div.block",
    { "data-id": id },
    element("span.first", element("i.shape"), element("b.user.clipped"), element("span.time")),
    element("span.moved-from.clipped.optional"),
    element("span.purpose.clipped"),
  );
}

function fillBlock(node, { id, owner, purpose, state, asked, others, from, to, start, end }, column, me, mark) {
  const extent = extentOf(column, from, to);
  const times = span({ start, end }, column.zone);
  stretch(node, extent);
  node.dataset.state = state;
  node.dataset.mine = String(owner === me);
  node.dataset.draggable = String(owner === me && isWithinDay(column, from, to));
  node.dataset.lines = String(Math.min(Math.floor((extent.height * ROW_PX - EDGE_PX) / LINE_PX), 3));
  const [first, moved, what] = node.children;
  const [sign, name, time] = first.children;
  setText(sign, SIGNS[state]);
  sign.className = `shape ${state}`;
  setText(name, owner ?? "taken");
  setText(time, times);
  const words = [others, purpose].filter(Boolean).join(" · ");
  setText(what, words);
  setText(moved, mark ? `↷ from ${originOf(mark, column)}` : asked && `⚠ ${asked}`);
  node.dataset.shifted = String(asked !== "");
  node.classList.toggle("moved", mark !== null);
  node.title = `${owner ?? "Taken"} ${times}${words ? ` – ${words}` : ""}${asked ? ` – ${asked}; time zones have changed since` : ""}`;
}

/** The text that says from where a reservation moved, without what is the same in this column. */
function originOf(mark, column) {
  const words = [clock(Date.parse(mark.start), column.zone)];
  const day = dayOf(mark, column.zone);
  if (day !== column.day) words.unshift(shortDay(day));
  if (!roomsOf(mark.room).includes(column.room)) words.push(`in ${mark.room}`);
  return words.join(" ");
}

/** Puts a node over an extent of its column. */
export function stretch(node, { top, height }) {
  node.style.setProperty("--top", String(top));
  node.style.setProperty("--height", String(height));
}
