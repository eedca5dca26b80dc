// Draws a space-time diagram as one SVG. Its style is cluster-diagram.css.

import { drawing } from "../shared/dom.js";
import { colourOf } from "../shared/words.js";
import { SIGNS } from "./diagram-words.js";

const COLUMN_MIN_PX = 22;
const CHARACTER_PX = 7;
const NAME_PX = 9.5; // a character of the name of a lane
const LANE_PX = 84;
const HEAD_PX = 58; // above the first lane: the steps, and the captions of its marks
const FOOT_PX = 36;
const TRACK_PX = 16;
const RADIUS_PX = 9;
const NUMBER_PX = 6.4; // a character of the time of a step

/**
 * Draws a layout. Each piece that can be clicked is an element with `data-column`, and `show(piece)` is called with a
 * function that describes it. `titles` has a text for each step.
 *
 * Returns {svg, names, left, edges}: the drawing, the names of the lanes in a drawing of their own, a function from a column
 * to its left side in pixels, and the left sides of all steps and of the end.
 */
export function draw(layout, titles, words, show) {
  const canvas = new Canvas(layout, words, show);
  canvas.steps(titles);
  layout.lanes.forEach((lane) => canvas.lane(lane));
  canvas.sessions();
  for (const mark of layout.marks) canvas.mark(mark);
  canvas.tracks.forEach((names, index) => canvas.track(names, index));
  const edges = [...layout.steps, layout.columns].map((column) => canvas.left(column));
  return { svg: canvas.svg, names: canvas.names, left: (column) => canvas.left(column), edges };
}

/** An arrow as it is drawn for a kind of frames, for a legend. */
export function arrowSign(kind) {
  const svg = drawing("svg", { class: "diagram", width: 32, height: 10 });
  const arrow = drawing("g", { class: `arrow ${kind}` });
  arrow.append(drawing("path", { d: "M0 5H31" }), drawing("path", { class: "head", d: head(0, 5, 31, 5) }));
  svg.append(arrow);
  return svg;
}

class Canvas {
  constructor(layout, words, show) {
    this.layout = layout;
    this.words = words;
    this.show = show;
    this.lefts = leftsOf(layout, words);
    this.tracks = [...new Map(layout.cuts.map(({ names }) => [names.join(" "), names])).values()];
    this.bottom = HEAD_PX + LANE_PX * (layout.lanes.length - 1) + FOOT_PX;
    const height = this.bottom + TRACK_PX * this.tracks.length + 4;
    this.svg = drawing("svg", { class: "diagram", width: this.left(layout.columns) + 12, height });
    const links = this.tracks.map((names) => names.join(" – ").length * CHARACTER_PX);
    const widest = Math.max(40, ...layout.lanes.map((lane) => lane.length * NAME_PX), ...links);
    this.names = drawing("svg", { class: "diagram", width: widest + 16, height });
  }

  left(column) {
    return this.lefts[Math.min(column, this.layout.columns)];
  }

  middle(column) {
    return (this.left(column) + this.left(column + 1)) / 2;
  }

  y(lane) {
    return HEAD_PX + LANE_PX * this.layout.lanes.indexOf(lane);
  }

  /** Adds an element that can be clicked. It appears in `column`. */
  piece(attributes, column, describe) {
    const group = drawing("g", { ...attributes, "data-column": column, tabindex: "-1" });
    group.addEventListener("click", () => this.show(describe(), group));
    this.svg.append(group);
    return group;
  }

  steps(titles) {
    this.layout.steps.forEach((column, index) => {
      const x = this.left(column);
      const end = this.layout.steps[index + 1] ?? this.layout.columns;
      const group = drawing("g", { "data-column": column });
      group.append(drawing("path", { class: "onset", d: `M${x} 6V${this.bottom - 8}` }));
      const room = Math.floor((this.left(end) - x - 6) / NUMBER_PX);
      group.append(text("number", x + 3, 14, shortened(titles[index], room)));
      this.svg.append(group);
    });
  }

  lane(lane) {
    const y = this.y(lane);
    const colour = colourOf(this.layout.lanes.indexOf(lane));
    const group = drawing("g", { "data-lane": lane, "data-colour": colour });
    group.append(...this.lines("lane", this.layout.absences.filter(({ names }) => names[0] === lane), y));
    this.svg.append(group);
    const named = drawing("g", { "data-colour": colour });
    named.append(text("name", 8, y + 5, lane));
    this.names.append(named);
  }

  /** What gaps leave of a line across all columns. */
  lines(name, gaps, y) {
    const parts = between(gaps, this.layout.columns);
    return parts.map(([start, end]) => drawing("path", { class: name, d: `M${this.left(start)} ${y}H${this.left(end)}` }));
  }

  /** A line for a link, with a gap where it is cut. */
  track(names, index) {
    const y = this.bottom + TRACK_PX * index;
    const group = drawing("g", { class: "track", "data-track": names.join("-") });
    const cuts = this.layout.cuts.filter((cut) => cut.names.join(" ") === names.join(" "));
    group.append(...this.lines("linked", cuts, y));
    for (const { start } of cuts) group.append(text("cut", this.left(start) + 3, y + 4, "✂"));
    this.svg.append(group);
    this.names.append(text("soft", 8, y + 4, names.join(" – ")));
  }

  sessions() {
    const { lanes, arrows } = this.layout;
    const drawn = arrows.filter(({ sender, receiver }) => lanes.includes(sender) && lanes.includes(receiver));
    for (const found of Map.groupBy(drawn, ({ session }) => session).values()) this.band(found);
    for (const arrow of drawn) this.arrow(arrow);
  }

  /** The ground on which the arrows of a session are. */
  band(arrows) {
    const columns = arrows.flatMap(({ sent, received }) => [sent, received]).filter((column) => column !== null);
    const [first, last] = [Math.min(...columns), Math.max(...columns) + 1];
    const [top, bottom] = [arrows[0].sender, arrows[0].receiver].map((lane) => this.y(lane)).sort((a, b) => a - b);
    const x = this.left(first);
    const size = { width: this.left(last) - x, height: bottom - top };
    this.svg.append(drawing("rect", { class: "band", x, y: top, rx: 6, ...size, "data-column": first }));
  }

  arrow(arrow) {
    const { sent, received, sender, receiver } = arrow;
    let [y1, y2] = [this.y(sender), this.y(receiver)];
    let x1 = sent === null ? null : this.middle(sent);
    let x2 = received === null ? null : this.middle(received);
    if (x2 === null) [x2, y2] = [x1 + COLUMN_MIN_PX / 2, (y1 + y2) / 2]; // the half that is known
    if (x1 === null) [x1, y1] = [x2 - COLUMN_MIN_PX / 2, (y1 + y2) / 2];
    const column = received ?? sent;
    const kind = { class: `arrow ${classOf(arrow)}`, "data-kind": arrow.kind };
    const group = this.piece(kind, column, () => this.words.ofArrow(arrow));
    const d = `M${x1} ${y1}L${x2} ${y2}`;
    group.append(drawing("path", { class: "near", d }), drawing("path", { d }));
    group.append(drawing("path", { class: "head", d: head(x1, y1, x2, y2) }));
  }

  mark(found) {
    const { lane, column, mark } = found;
    const [x, y] = [this.middle(column), this.y(lane)];
    const { who, when, stamp } = this.words.caption(mark);
    const state = mark.no_effect ? "rejected" : (mark.state ?? "several");
    const attributes = { class: `event ${state}`, "data-what": mark.what, "data-lane": lane };
    const group = this.piece(attributes, column, () => this.words.ofMark(found));
    group.append(figure(state, x, y), text("sign", x, y + 4, SIGNS[mark.what]));
    if (who) group.append(text("caption", x, y - (when ? 26 : 14), who));
    if (when) group.append(text("caption", x, y - 14, when));
    const numbers = text("stamp", x, y + 21, stamp);
    if (mark.csn !== null) {
      const csn = drawing("tspan", { class: "csn" });
      csn.textContent = ` #${mark.csn}`;
      numbers.append(csn);
    }
    group.append(numbers);
  }
}

/** As much of a title as there is room for: at least its first word, or nothing. */
function shortened(title, room) {
  if (title.length <= room) return title;
  const first = title.split(" ", 1)[0];
  if (room > first.length + 8) return `${title.slice(0, room - 1)}…`;
  return first.length <= room ? first : "";
}

/** The left side of each column in pixels: a column is as wide as the texts in it. */
function leftsOf({ columns, marks }, words) {
  const widths = Array(columns + 1).fill(COLUMN_MIN_PX);
  for (const { column, mark } of marks) {
    const { who, when, stamp } = words.caption(mark);
    const numbers = stamp.length + (mark.csn === null ? 0 : String(mark.csn).length + 2);
    const longest = Math.max(who.length * CHARACTER_PX, when.length * CHARACTER_PX, numbers * 6);
    widths[column] = Math.max(widths[column], longest + 10);
  }
  const lefts = [6];
  for (const width of widths) lefts.push(lefts.at(-1) + width);
  return lefts;
}

/** What gaps leave of the columns up to `end`. */
function between(gaps, end) {
  const parts = [];
  let start = 0;
  for (const gap of gaps.toSorted((one, other) => one.start - other.start)) {
    if (gap.start > start) parts.push([start, gap.start]);
    start = Math.max(start, gap.end);
  }
  if (start < end) parts.push([start, end]);
  return parts;
}

/** The classes of an arrow. Of a batch they say whether it has writes, and whether all are committed. */
function classOf({ kind, carries, sent, received }) {
  const half = sent === null || received === null ? " half" : "";
  if (kind !== "batch") return kind + half;
  if (carries.writes.length && !carries.writes.some(({ body }) => body)) return `notifies${half}`;
  return `batch ${carries.writes.some(({ csn }) => csn === null) ? "tentative" : "committed"}${half}`;
}

function figure(state, x, y) {
  if (state === "committed") {
    const side = RADIUS_PX * 1.8;
    return drawing("rect", { class: "figure", x: x - side / 2, y: y - side / 2, width: side, height: side, rx: 3 });
  }
  if (state === "rejected") {
    const angles = Array.from({ length: 8 }, (_, corner) => (Math.PI * (corner + 0.5)) / 4);
    const points = angles.map((angle) => `${x + RADIUS_PX * Math.cos(angle)},${y + RADIUS_PX * Math.sin(angle)}`);
    return drawing("polygon", { class: "figure", points: points.join(" ") });
  }
  return drawing("circle", { class: "figure", cx: x, cy: y, r: RADIUS_PX - 0.5 });
}

function head(x1, y1, x2, y2) {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length];
  const corner = (side) => `L${x2 - 9 * dx + side * 4 * dy} ${y2 - 9 * dy - side * 4 * dx}`;
  return `M${x2} ${y2}${corner(1)}${corner(-1)}z`;
}

function text(name, x, y, content) {
  const node = drawing("text", { class: name, x, y });
  node.textContent = content;
  return node;
}
