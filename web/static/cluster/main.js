// The cluster page: follows every replica of the configuration, and puts the parts together.

import { byId, element, setText } from "../shared/dom.js";
import { ask, askUntilAnswered } from "../shared/rest.js";
import { colourOf } from "../shared/words.js";
import { Column } from "./column.js";
import { Follower } from "./follower.js";
import { Links } from "./links.js";
import { Waiting } from "./waiting.js";

const members = await askUntilAnswered("/cluster", say);
say("");
const labels = members.replicas.map(({ label }) => label);
const colours = new Map(labels.map((label, index) => [label, colourOf(index)]));
const zone = members.timezone;
const columns = new Map(labels.map((label) => [label, new Column(label, { zone, colours, labelOf, sourceOf, whyGone })]));
const links = new Links(labels, colours, toggle);
// This page may have been reached under another name than the configured one, so it asks its own replica relatively.
const followers = members.replicas.map(
  (replica) => new Follower(replica, replica.label === members.label ? "" : replica.address, show),
);

setText(byId("cluster"), members.cluster);
document.title = `${members.cluster} – Bayou cluster`;
byId("calendars").append(
  ...members.replicas.map(({ label, address }) =>
    element("a", { href: label === members.label ? "/" : `${address}/`, "data-colour": colours.get(label) }, label),
  ),
);
const overview = byId("overview");
overview.style.setProperty("--columns", String(labels.length));
overview.append(links.node, element("div.columns", ...[...columns.values()].map(({ node }) => node)));
overview.setAttribute("aria-busy", "false");
const waiting = new Waiting(byId("waiting"), zone);

function say(text) {
  setText(byId("said"), text);
}

function show(follower, news) {
  links.show(followers);
  waiting.read();
  columns.get(follower.label).show(follower, news);
  for (const peer of new Set(news.received.values())) links.glow(peer, follower.label);
  if (hasOthers(follower.info?.members ?? [])) reloadIfServed();
}

function hasOthers(replicas) {
  return replicas.some(({ label }) => !labels.includes(label));
}

/** A replica has joined. The page may reach only those that were members when it was loaded, so it is loaded again. */
async function reloadIfServed() {
  const { replicas } = await ask("", "GET", "/cluster");
  if (hasOthers(replicas)) location.reload();
}

/** The label of a server. The id of a founder has it, LABEL~NONCE; the members know the label of one that joined. */
function labelOf(server) {
  if (!server.includes(":")) return server.split("~", 1)[0];
  const members = followers.flatMap(({ info }) => info?.members ?? []);
  return members.find(({ id }) => id === server)?.label ?? server;
}

/** Why a replica is not expected to answer; null if it is. */
function whyGone(label) {
  const members = followers.flatMap(({ info }) => info?.members ?? []).filter((member) => member.label === label);
  if (members.some(({ forgotten }) => forgotten)) return "lost, was forgotten";
  return members.some(({ retired }) => retired) ? "has retired" : null;
}

/** Where a write is on the page at the peer that sent it, which may not have drawn it yet: then the peer's whole log. */
function sourceOf(peer, id) {
  const row = columns.get(peer)?.rows.get(id);
  return (row?.isConnected ? row : columns.get(peer)?.node.querySelector(".log"))?.getBoundingClientRect() ?? null;
}

/** A link has two ends. It is cut or healed at both, so that neither starts a session. */
async function toggle({ one, other, up }) {
  const set = (here, peer) => {
    const { base } = followers.find(({ label }) => label === here);
    return ask(base, "PUT", `/replica/links/${encodeURIComponent(peer)}`, { body: { up: !up } });
  };
  const results = await Promise.allSettled([set(one, other), set(other, one)]);
  const failed = results.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message);
  const done = up ? "cut" : "healed";
  if (failed.length) say(`Not ${done} at both ends. ${failed.join(" ")}`);
  else say(`The link between ${one} and ${other} is ${done}.`);
  for (const follower of followers) follower.look();
}
