// The vectors V, C and O of one replica as a small table: a column for each origin, a row for each vector.

import { element, setText } from "../shared/dom.js";
import { clock } from "../shared/times.js";

const MEANINGS = { V: "all writes held", C: "committed writes", O: "writes dropped from the log" };

/** Fills `table`. A cell of C that has reached V is marked as even. */
export function fillVectors(table, vectors, zone, { colours, labelOf }) {
  const origins = inOrder([...new Set(Object.values(vectors).flatMap(Object.keys))], colours, labelOf);
  if (table.dataset.origins !== origins.join(" ")) build(table, origins, colours, labelOf);
  for (const row of table.tBodies[0].rows) {
    const name = row.dataset.vector;
    origins.forEach((origin, index) => {
      const cell = row.cells[index + 1];
      const stamp = vectors[name][origin];
      setText(cell, stamp === undefined ? "–" : clockOfStamp(stamp, zone));
      cell.title = stamp === undefined ? `${MEANINGS[name]}: none of ${origin}` : `${origin} ${stamp}`;
      cell.className = name === "C" && origin in vectors.V ? (stamp === vectors.V[origin] ? "even" : "behind") : "";
    });
  }
}

function build(table, origins, colours, labelOf) {
  table.dataset.origins = origins.join(" ");
  const heads = origins.map((origin) => {
    const label = labelOf(origin);
    return element("th", { scope: "col", "data-colour": colours.get(label) ?? "other", title: origin }, label);
  });
  const rows = Object.entries(MEANINGS).map(([name, meaning]) =>
    element(
      "tr",
      { "data-vector": name },
      element("th", { scope: "row", title: meaning }, name),
      ...origins.map(() => element("td")),
    ),
  );
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
