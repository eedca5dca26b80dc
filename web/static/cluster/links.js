// The replicas as nodes, and the links between them. A link is cut and healed by its button, or by its number key. In a
// class, another button of a link runs one session. Where the columns do not fit beside each other, the nodes are an
// overview: each says how its replica is, and opens its column and its links.

import { button, drawing, element, setText } from "../shared/dom.js";
import { plural } from "../shared/words.js";
import { isShortcut } from "./keys.js";
import { countMissing } from "./log.js";

const GAP_PX = 9; // between the levels on which links run
const SIDE_PX = 6; // between links that leave a node on the same side
const KEYS = 9; // 1 to 9

export class Links {
  /**
   * `toggle(link)` cuts or heals a link {one, other, up}, and `meet(link)` runs a session between its ends. `open(label,
   * isOpen)` opens or closes the column of a replica in an overview. `whyGone(label)` is why a replica does not answer, or
   * null if that is not known.
   */
  constructor(labels, colours, { toggle, meet, open, whyGone }) {
    this.labels = labels;
    this.toggle = toggle;
    this.meet = meet;
    this.whyGone = whyGone;
    this.opened = new Set();
    this.isOverview = false;
    this.svg = drawing("svg", { "aria-hidden": "true" });
    this.open = (label) => {
      if (!this.opened.delete(label)) this.opened.add(label);
      open(label, this.opened.has(label));
      this.showOpened();
    };
    this.nodes = new Map(labels.map((label) => [label, makeNode(label, colours, this.open)]));
    this.links = pairs(labels).map(([one, other], index) => this.makeLink(one, other, index + 1));
    setLevels(this.links, labels);
    this.node = element(
      "div.topology",
      { role: "group", "aria-label": "Links between the replicas" },
      this.svg,
      element("div.nodes", ...this.nodes.values()),
      element("div.joints", ...this.links.map((link) => link.buttons)),
    );
    const observer = new ResizeObserver(() => this.lay());
    for (const each of [this.node, ...this.nodes.values(), ...this.links.map((link) => link.buttons)]) observer.observe(each);
    document.addEventListener("keydown", (event) => this.press(event));
  }

  /** Shows the nodes as an overview, or each over its column. */
  setOverview(isOverview) {
    this.isOverview = isOverview;
    for (const node of this.nodes.values()) node.disabled = !isOverview;
    this.showOpened();
    this.lay();
  }

  showOpened() {
    for (const [label, node] of this.nodes) {
      node.setAttribute("aria-expanded", String(!this.isOverview || this.opened.has(label)));
    }
    for (const { one, other, buttons } of this.links) {
      buttons.hidden = this.isOverview && !this.opened.has(one) && !this.opened.has(other);
    }
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
    if (this.isOverview) for (const follower of followers) this.showFacts(follower, followers);
  }

  showFacts({ label, up, info }, followers) {
    const cut = this.links.filter((link) => !link.up && [link.one, link.other].includes(label)).length;
    const missing = info && countMissing(info, followers);
    const facts = info && [`CSN ${info.csn}`, `${info.tentative} tentative`, missing ? `${missing} missing` : "all held"];
    const words = up === false || !info ? [this.whyGone(label) ?? "does not answer"] : facts;
    if (cut) words.push(`✂ ${plural(cut, "link")} cut`);
    const node = this.nodes.get(label);
    node.dataset.missing = String(missing > 0);
    const shown = node.querySelector(".facts");
    if (shown.textContent === words.join(" ")) return;
    shown.replaceChildren(...words.flatMap((each, index) => [index ? " " : "", element("span", each)]));
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
      element("span.ends", `${one} – ${other}`),
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
    const link = { one, other, up: true, number, level: 0, button: cut, session, buttons, line };
    this.svg.append(line);
    return link;
  }

  press(event) {
    if (!isShortcut(event)) return;
    const link = this.links.find((each) => String(each.number) === event.key);
    if (link) this.toggle(link);
  }

  /** Places each node over the middle of its column, and each link over the nodes, with its buttons between two columns. */
  lay() {
    if (this.isOverview) {
      this.node.style.height = "";
      return;
    }
    const width = this.node.clientWidth;
    const step = width / this.labels.length;
    const tallest = (nodes) => Math.max(0, ...nodes.map((node) => node.offsetHeight));
    const pitch = tallest(this.links.map((link) => link.buttons)) + GAP_PX;
    const nodes = tallest([...this.nodes.values()]) + GAP_PX;
    const levels = Math.max(0, ...this.links.map((link) => link.level + 1));
    const height = nodes + pitch * levels;
    const y = height - nodes / 2;
    this.node.style.height = `${height}px`;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.labels.forEach((label, index) => putAt(this.nodes.get(label), step * (index + 0.5), y));
    for (const link of this.links) {
      const [from, to] = [link.one, link.other].map((label) => this.labels.indexOf(label));
      const [x1, x2] = [step * (from + 0.5), step * (to + 0.5)];
      const top = height - nodes - pitch * (link.level + 0.5);
      const aside = SIDE_PX * (levels - link.level); // so that the links of a node start apart, and do not cross there
      link.line.setAttribute("d", arc(x1 + aside, x2 - aside, y, top, step / 4));
      putAt(link.buttons, step * (from + 1 + Math.floor((to - from - 1) / 2)), top);
    }
  }
}

/** Gives each link the lowest level on which it overlaps no link before it. */
function setLevels(links, labels) {
  const spans = links.map(({ one, other }) => [labels.indexOf(one), labels.indexOf(other)]);
  links.forEach((link, index) => {
    const [from, to] = spans[index];
    const taken = links.filter((_, before) => before < index && spans[before][0] < to && from < spans[before][1]);
    while (taken.some(({ level }) => level === link.level)) link.level += 1;
  });
}

/** A path up from `x1`, along `top`, and down to `x2`, with round corners. */
function arc(x1, x2, y, top, corner) {
  const bend = Math.min(corner, 60);
  return [
    `M${x1} ${y} C${x1} ${top} ${x1 + bend / 2} ${top} ${x1 + bend} ${top}`,
    `H${x2 - bend} C${x2 - bend / 2} ${top} ${x2} ${top} ${x2} ${y}`,
  ].join(" ");
}

function makeNode(label, colours, open) {
  const attributes = { "data-label": label, "data-colour": colours.get(label) };
  const parts = [element("span.name", label), element("span.mark.optional"), element("span.facts.optional")];
  return button(".node", () => open(label), attributes, ...parts);
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
