// The replicas as nodes, and the links between them. A link is cut and healed by its button, or by its number key. In a
// class, another button of a link runs one session.

import { button, drawing, element, setText } from "../shared/dom.js";
import { isShortcut } from "./keys.js";

const NODE_Y_PX = 34; // from the bottom to the middle of the nodes
const ARC_FIRST_PX = 72; // how high over the nodes the first link runs that does not join neighbours
const ARC_PX = 46; // how much higher each further link runs, so that they do not overlap
const SIDE_PX = 9;
const KEYS = 9; // 1 to 9

export class Links {
  /** `toggle(link)` cuts or heals a link {one, other, up}, and `meet(link)` runs a session between its ends. */
  constructor(labels, colours, { toggle, meet }) {
    this.labels = labels;
    this.toggle = toggle;
    this.meet = meet;
    this.svg = drawing("svg", { "aria-hidden": "true" });
    this.nodes = new Map(labels.map((label) => [label, makeNode(label, colours)]));
    this.links = pairs(labels).map(([one, other], index) => this.makeLink(one, other, index + 1));
    this.node = element(
      "div.topology",
      { role: "group", "aria-label": "Links between the replicas" },
      this.svg,
      ...this.nodes.values(),
      ...this.links.map((link) => link.buttons),
    );
    const levels = this.links.at(-1)?.level ?? 0;
    const height = 2 * NODE_Y_PX + 8 + (levels ? ARC_FIRST_PX + ARC_PX * (levels - 1) : 0);
    this.node.style.setProperty("--height", `${height}px`);
    new ResizeObserver(() => this.lay()).observe(this.node);
    document.addEventListener("keydown", (event) => this.press(event));
  }

  /** Draws what the replicas say. A link is cut as soon as one end says so. `inClass` shows the buttons of sessions. */
  show(followers, inClass) {
    for (const follower of followers) {
      const node = this.nodes.get(follower.label);
      node.dataset.up = String(follower.up !== false);
      node.dataset.primary = String(follower.info?.primary.here ?? false);
      setText(node.querySelector(".mark"), markOf(follower));
    }
    for (const link of this.links) {
      link.up = !followers.some((end) => saysCut(end, link));
      link.button.dataset.up = link.line.dataset.up = String(link.up);
      link.button.setAttribute("aria-pressed", String(!link.up));
      link.button.setAttribute("aria-label", `Cut the link between ${link.one} and ${link.other}`);
      setText(link.button.querySelector(".word"), link.up ? "linked" : "cut");
      setText(link.button.querySelector(".sign"), link.up ? "⇄" : "✂");
      link.session.hidden = !inClass || !link.up;
    }
  }

  /** Lets a link glow when something came along it. */
  glow(one, other) {
    const link = this.links.find((each) => [one, other].includes(each.one) && [one, other].includes(each.other));
    link?.line.animate([{ strokeWidth: "14px" }, { strokeWidth: "6px" }], { duration: 700 });
  }

  makeLink(one, other, number) {
    const cut = button(
      ".link",
      () => this.toggle(link),
      { "data-link": `${one}-${other}`, title: `${one} – ${other}` },
      number <= KEYS ? element("kbd", number) : null,
      element("span.sign", { "aria-hidden": "true" }),
      element("span.word"),
    );
    const session = button(
      ".meet",
      () => this.meet(link),
      { "data-session": `${one}-${other}`, "aria-label": `Session between ${one} and ${other}`, hidden: "" },
      "sync",
    );
    const buttons = element("div.joint", cut, session);
    const line = drawing("path", { class: "line" });
    const level = Math.max(0, number - this.labels.length + 1); // links between neighbours come first, and run on level 0
    const link = { one, other, up: true, number, level, button: cut, session, buttons, line };
    this.svg.append(line);
    return link;
  }

  press(event) {
    if (!isShortcut(event)) return;
    const link = this.links.find((each) => String(each.number) === event.key);
    if (link) this.toggle(link);
  }

  /** Places each node over the middle of its column. A straight link joins neighbours; an arc above joins others. */
  lay() {
    const { width, height } = this.node.getBoundingClientRect();
    const step = width / this.labels.length;
    const y = height - NODE_Y_PX;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.labels.forEach((label, index) => putAt(this.nodes.get(label), step * (index + 0.5), y));
    for (const link of this.links) {
      const [from, to] = [link.one, link.other].map((label) => this.labels.indexOf(label));
      const [x1, x2] = [step * (from + 0.5), step * (to + 0.5)];
      const top = link.level ? y - ARC_FIRST_PX - ARC_PX * (link.level - 1) : y;
      const aside = SIDE_PX * link.level; // so that the arcs of a node start apart
      link.line.setAttribute("d", link.level ? arc(x1 + aside, x2 - aside, y, top, step / 4) : `M${x1} ${y} H${x2}`);
      putAt(link.buttons, (x1 + x2) / 2, top);
    }
  }
}

/** A path up from `x1`, along `top`, and down to `x2`, with round corners. */
function arc(x1, x2, y, top, corner) {
  const bend = Math.min(corner, 60);
  return [
    `M${x1} ${y} C${x1} ${top} ${x1 + bend / 2} ${top} ${x1 + bend} ${top}`,
    `H${x2 - bend} C${x2 - bend / 2} ${top} ${x2} ${top} ${x2} ${y}`,
  ].join(" ");
}

function makeNode(label, colours) {
  const attributes = { "data-label": label, "data-colour": colours.get(label) };
  return element("div.node", attributes, element("span.name", label), element("span.mark.optional"));
}

/** What stands beside a replica: whether it is the primary, or was it until it took another id. */
function markOf({ label, info }) {
  if (info?.primary.here) return "★ primary";
  return info?.primary.gone && info.primary.label === label ? "☆ was primary" : "";
}

function saysCut(follower, { one, other }) {
  const peer = follower.label === one ? other : follower.label === other ? one : null;
  return peer !== null && follower.info?.peers.some(({ label, link }) => label === peer && link === "cut");
}

/** All pairs of labels: first those of neighbours, then those that are two apart, and so on. */
function pairs(labels) {
  return labels.flatMap((_, between) => labels.slice(between + 1).map((other, index) => [labels[index], other]));
}

function putAt(node, x, y) {
  node.style.left = `${x}px`;
  node.style.top = `${y}px`;
}
