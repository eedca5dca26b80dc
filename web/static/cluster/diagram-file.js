// The page that `cluster.py run --diagram` writes: the space-time diagram of a script, a legend, and the lines of the script.
// On paper the diagram is in rows.

import { byId, drawing, element, shape } from "../shared/dom.js";
import { arrowSign } from "./diagram-drawing.js";
import { DiagramView } from "./diagram-view.js";
import { Words } from "./diagram-words.js";

const ROW_PX = 1400;
const FRAMES = {
  "batch tentative": "writes",
  "batch committed": "committed writes",
  notifies: "commit notification",
  hello: "hello",
  ack: "other frames",
  state_end: "full state",
  refuse: "refusal",
};

// The user of a client has another name where the client's is not allowed (`Client.user` in cluster/language/world.py).
const clientOf = (user) => decodeURIComponent(user.replaceAll("+", "%"));
const run = JSON.parse(byId("run").textContent, (key, value) => (key === "user" && value ? clientOf(value) : value));
const labelOf = (server) => run.labels[server] ?? server;
const stampOf = (stamp) => String((Number(stamp) - run.beginning_us) / 1e6);
const diagram = new DiagramView(byId("timeline"), "All");
const drawn = diagram.show(run.steps, new Words(new Map(Object.entries(run.writes)), { labelOf, stampOf, zone: "UTC" }));
diagram.view.scrollLeft = 0;
byId("rows").append(...rows(drawn));
byId("legend").append(
  ...["tentative", "committed", "rejected"].map((state) => element("li", shape(state), state)),
  ...Object.entries(FRAMES).map(([kind, text]) => element("li", arrowSign(kind), text)),
);
byId("lines").append(...run.steps.map(({ title }) => element("li", title)));

/** The drawing in rows, each of which shows a part of it that begins with a step. */
function rows({ svg, names, edges }) {
  svg.id = "drawn";
  const height = svg.getAttribute("height");
  const found = [];
  for (let from = 0; from + 1 < edges.length; ) {
    const to = Math.max(from + 1, edges.findLastIndex((edge) => edge <= edges[from] + ROW_PX));
    const width = edges[to] - edges[from];
    const part = drawing("svg", { class: "diagram", viewBox: `${edges[from]} 0 ${width} ${height}`, width, height });
    part.append(drawing("use", { href: "#drawn" }));
    found.push(element("div", names.cloneNode(true), part));
    from = to;
  }
  return found;
}
