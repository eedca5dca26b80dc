// The cluster page: follows every replica of the configuration, and puts the parts together.

import { element, setText } from "../shared/dom.js";
import { ask } from "../shared/rest.js";
import { Column } from "./column.js";
import { Follower } from "./follower.js";
import { Links } from "./links.js";

const COLOURS = 8;
const AGAIN_MS = 1000;

const told = document.getElementById("told");
const members = await readMembers();
const labels = members.replicas.map(({ label }) => label);
const colours = new Map(labels.map((label, index) => [label, String(index % COLOURS)]));
const zone = members.timezone;
const columns = new Map(labels.map((label) => [label, new Column(label, { zone, colours, labelOf, sourceOf })]));
const links = new Links(labels, colours, toggle);
// This page may have been reached under another name than the configured one, so its own replica is asked relatively.
const followers = members.replicas.map(
  (replica) => new Follower(replica, replica.label === members.label ? "" : replica.address, show),
);

setText(document.getElementById("cluster"), members.cluster);
document.title = `${members.cluster} – Bayou cluster`;
document
  .getElementById("calendars")
  .append(
    ...members.replicas.map(({ label, address }) =>
      element("a", { href: label === members.label ? "/" : `${address}/`, "data-colour": colours.get(label) }, label),
    ),
  );
const stage = document.getElementById("stage");
stage.style.setProperty("--columns", String(labels.length));
stage.append(links.node, element("div", { class: "columns" }, ...[...columns.values()].map(({ node }) => node)));
stage.setAttribute("aria-busy", "false");

async function readMembers() {
  for (;;) {
    try {
      return await ask("", "GET", "/cluster");
    } catch (problem) {
      setText(told, `${problem.message} Trying again …`);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
      setText(told, "");
    }
  }
}

function show(follower, events) {
  links.show(followers);
  columns.get(follower.label).show(follower, events);
  for (const peer of new Set(events.received.values())) links.glow(peer, follower.label);
  if (follower.info?.members?.some(({ label }) => !labels.includes(label))) beginAnewWithMore();
}

/** A replica has joined: a page may reach only those that were named when it was loaded. */
async function beginAnewWithMore() {
  const { replicas } = await ask("", "GET", "/cluster");
  if (replicas.some(({ label }) => !labels.includes(label))) location.reload();
}

/** The label of a server: it stands in a founder's id, LABEL~NONCE; that of one that joined is told by its members. */
function labelOf(server) {
  if (!server.includes(":")) return server.split("~", 1)[0];
  const members = followers.flatMap(({ info }) => info?.members ?? []);
  return members.find(({ id }) => id === server)?.label ?? server;
}

/** Where a write is seen at the peer that it came from, which may have drawn it a moment ago, or not at all. */
function sourceOf(peer, id) {
  const row = columns.get(peer)?.rows.get(id);
  return (row?.isConnected ? row : columns.get(peer)?.node.querySelector(".log"))?.getBoundingClientRect() ?? null;
}

/** A link has two ends, and is cut or healed at both, so that neither starts a session. */
async function toggle({ one, other, up }) {
  const ends = [
    [one, other],
    [other, one],
  ].map(([here, peer]) => {
    const follower = followers.find(({ label }) => label === here);
    return ask(follower.base, "PUT", `/replica/links/${encodeURIComponent(peer)}`, { body: { up: !up } });
  });
  const results = await Promise.allSettled(ends);
  const failed = results.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message);
  const done = up ? "cut" : "healed";
  setText(
    told,
    failed.length
      ? `Not ${done} at both ends. ${failed.join(" ")}`
      : `The link between ${one} and ${other} is ${done}.`,
  );
  for (const follower of followers) follower.look();
}
