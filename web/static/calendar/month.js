// The month of a room as an ARIA grid: a row for each week, a cell for each day with its reservations. A day leads to the
// day view, in which one reserves.

import { button, element, shape } from "../shared/dom.js";
import { addDays, clock, longDay, monthStart, shortDay, span, wallClock } from "../shared/times.js";
import { SIGNS, plural } from "../shared/words.js";
import { inColumn, isClosedOn } from "./cells.js";

const WEEK = 7;
const LINE_PX = 22; // as in calendar-month.css
const HEAD_PX = 28;
const WEEKDAYS_PX = 30;
const STEPS_OF_KEYS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -WEEK, ArrowDown: WEEK };

export class Month {
  /** It calls `on.go(changes of the view)`, `on.turn(-1 or 1)`, `on.open(reservation id)`; `on.resize()` to be shown again. */
  constructor(node, on) {
    this.node = node;
    this.on = on;
    this.drawn = "";
    this.at = null; // the day with the focus, or the one that would get it
    this.shown = null; // the day that the view had
    node.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => node.hidden || on.resize()).observe(node);
  }

  /** `columns` are the days of whole weeks; `reservations` is null while they are not read. */
  show({ columns, day, today, reservations, me }) {
    if (day !== this.shown) this.at = day;
    this.shown = day;
    this.node.dataset.read = String(reservations !== null);
    const linesMax = this.linesMax(columns.length / WEEK);
    const drawn = JSON.stringify([columns, this.at, today, reservations, me, linesMax]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const hadFocus = this.node.contains(document.activeElement);
    const cells = columns.map((column) =>
      this.makeDay(column, inColumn(reservations ?? [], column), { today, me, linesMax, month: monthStart(day) }),
    );
    const weeks = [];
    for (let first = 0; first < cells.length; first += WEEK) {
      weeks.push(element("div.week", { role: "row" }, ...cells.slice(first, first + WEEK)));
    }
    const names = columns.slice(0, WEEK).map((each) => weekday(each.day));
    this.node.replaceChildren(
      element(
        "div.month-grid",
        { role: "grid", "aria-label": `Reservations of ${columns[0].room}, times in ${columns[0].zone}` },
        element("div.weekdays.soft", { role: "row" }, ...names.map((name) => element("span", { role: "columnheader" }, name))),
        ...weeks,
      ),
    );
    if (hadFocus) this.focus();
  }

  /** How many lines a day has room for. */
  linesMax(weeks) {
    const height = (this.node.clientHeight - WEEKDAYS_PX) / weeks;
    return Math.max(1, Math.floor((height - HEAD_PX) / LINE_PX));
  }

  makeDay(column, held, { today, me, linesMax, month }) {
    const { day, zone, room, closed } = column;
    const fitting = held.length > linesMax ? linesMax - 1 : held.length;
    const lines = held.slice(0, fitting).map((reservation) => this.makeLine(reservation, column, me));
    if (fitting < held.length) lines.push(element("li.more.soft", `+${held.length - fitting}`, element("span", " more")));
    const said = held.map(({ state, owner, purpose, ...slot }) =>
      [`${SIGNS[state]} ${owner ?? "taken"}`, span(slot, zone), purpose].filter(Boolean).join(", "),
    );
    const count = held.length ? plural(held.length, "reservation") : "free";
    const shut = isClosedOn(closed, day);
    const classes = [monthStart(day) === month ? "" : ".other", day === today ? ".today" : "", shut ? ".closed" : ""];
    const node = element(
      `div.month-day${classes.join("")}`,
      {
        role: "gridcell",
        tabindex: day === this.at ? "0" : "-1",
        "data-day": day,
        "data-room": room,
        "aria-label": `${longDay(day)}: ${[shut ? "closed" : count, ...said].join("; ")}`,
      },
      element("span.date", { "aria-hidden": "true" }, day.endsWith("-01") ? shortDay(day).slice(4) : Number(day.slice(8))),
      element("ol", { "aria-hidden": "true" }, ...lines),
    );
    node.addEventListener("click", (event) => event.target.closest("button") || this.enter(day));
    return node;
  }

  /** A line for the eye and the mouse; by keyboard, the day leads to the day view. */
  makeLine({ id, from, start, end, owner, purpose, state }, { day, zone }, me) {
    const open = () => this.on.open(id);
    const title = `${owner ?? "Taken"} ${span({ start, end }, zone)}${purpose ? ` – ${purpose}` : ""}`;
    const attributes = { tabindex: "-1", title, "data-id": id, "data-state": state, "data-mine": String(owner === me) };
    const parts = [
      shape(state),
      element("span.time", beginning(from, day, zone)),
      element("span.user.clipped", owner ?? "taken"),
    ];
    return element("li", button(".entry", open, attributes, ...parts));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key === "Enter" || key === " ") this.enter(this.at);
    else if (key === "PageUp" || key === "PageDown") this.on.turn(key === "PageUp" ? -1 : 1);
    else if (STEPS_OF_KEYS[key]) this.step(addDays(this.at, STEPS_OF_KEYS[key]));
    else return;
    event.preventDefault();
  }

  step(day) {
    this.at = day;
    if (monthStart(day) === monthStart(this.shown)) this.focus();
    else this.on.go({ day });
  }

  enter(day) {
    this.on.go({ view: "day", day });
  }

  focus() {
    for (const node of this.node.querySelectorAll("[data-day]")) node.tabIndex = node.dataset.day === this.at ? 0 : -1;
    this.node.querySelector('[data-day][tabindex="0"]')?.focus({ preventScroll: true });
  }
}

function weekday(day) {
  return shortDay(day).slice(0, 3);
}

/** When it begins on this day; an arrow if that was earlier. */
function beginning(from, day, zone) {
  return wallClock(from, zone).day < day ? "←" : clock(from, zone);
}
