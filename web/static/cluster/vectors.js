// The vectors V, C and O of one replica as a small table: a row for each origin, a column for each vector.

import { element, setText } from "../shared/dom.js";
import { clock } from "../shared/times.js";

const MEANINGS = { V: "all writes held", C: "committed writes", O: "writes dropped from the log" };

/** Fills `table`. A cell of C that has reached V says so instead of repeating the stamp. */
export function fillVectors(table, vectors, zone, { colours, labelOf }) {
  const origins = inOrder([...new Set(Object.values(vectors).flatMap(Object.keys))], colours, labelOf);
  if (table.dataset.origins !== origins.join(" ")) build(table, origins, colours, labelOf);
  for (const row of table.tBodies[0].rows) {
    const { origin } = row.dataset;
    for (const cell of [...row.cells].slice(1)) {
      const name = cell.dataset.vector;
      const stamp = vectors[name][origin];
      const state = stamp === undefined ? "none" : name !== "C" ? "" : stamp === vectors.V[origin] ? "even" : "behind";
      setText(cell, state === "none" ? "–" : state === "even" ? "= V" : clockOfStamp(stamp, zone));
      cell.title = state === "none" ? `${MEANINGS[name]}: none of ${origin}` : `${origin} ${stamp}`;
      cell.className = state;
    }
  }
}

function build(table, origins, colours, labelOf) {
  table.dataset.origins = origins.join(" ");
  const heads = Object.entries(MEANINGS).map(([name, meaning]) => element("th", { scope: "col", title: meaning }, name));
  const rows = origins.map((origin) => {
    const label = labelOf(origin);
    const head = element("th", { scope: "row", "data-colour": colours.get(label) ?? "other", title: origin }, label);
    const cells = Object.keys(MEANINGS).map((name) => element("td", { "data-vector": name }));
    return element("tr", { "data-origin": origin }, head, ...cells);
  });
  table.tHead?.remove();
  for (const body of [...table.tBodies]) body.remove();
  table.append(element("thead", element("tr", element("td"), ...heads)), element("tbody", ...rows));
}

/** The servers in the order of the columns; those without a column come last. */
function inOrder(origins, colours, labelOf) {
  const labels = [...colours.keys()];
  const rank = (origin) => (labels.indexOf(labelOf(origin)) + labels.length + 1) % (labels.length + 1);
  return origins.sort((left, right) => rank(left) - rank(right) || (left < right ? -1 : 1));
}

/** A stamp is microseconds since 1970; people can compare its time of day. */
export function clockOfStamp(stamp, zone) {
  const moment = Math.floor(Number(stamp) / 1000);
  const seconds = new Date(moment).toISOString().slice(17, 23);
  return `${clock(moment, zone)}:${seconds}`;
}
