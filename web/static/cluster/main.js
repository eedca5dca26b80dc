// The cluster page: follows every replica of the configuration, and puts the parts together.

import { byId, element, setMessage, setText } from "../shared/dom.js";
import { answers, ask, askUntilAnswered, sentenceFor } from "../shared/rest.js";
import { colourOf, plural } from "../shared/words.js";
import { Acts } from "./acts.js";
import { Column } from "./column.js";
import { findControl } from "./control.js";
import { Diagram } from "./diagram.js";
import { nextDue } from "./due.js";
import { Follower } from "./follower.js";
import { Links } from "./links.js";
import { PaceBar } from "./pace.js";
import { Waiting } from "./waiting.js";

const COLUMN_MIN_REM = 15; // narrower columns are not shown beside each other
const GAP_REM = 1;
const DONE = { crash: "crashed", restart: "starts again" };

const members = await askUntilAnswered("/cluster", say);
say("");
const labels = members.replicas.map(({ label }) => label);
const colours = new Map(labels.map((label, index) => [label, colourOf(index)]));
const zone = members.timezone;
const columns = new Map(labels.map((label) => [label, new Column(label, { zone, colours, labelOf, sourceOf, whyGone })]));
const links = new Links(labels, colours, { toggle, meet, open, whyGone });
const rooms = await readRooms();
const control = await findControl(say);
const acts = new Map(labels.map((label, index) => [label, makeActs(label, index)]));
const bar = new PaceBar(byId("pace"), { set: setPace, step, reset: control?.resets ? startOver : null });
let lastLink = 0; // the number of the link that had the last session
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
for (const [label, { node }] of acts) columns.get(label).node.querySelector("header").after(node);
const overview = byId("overview");
document.documentElement.style.setProperty("--columns", String(labels.length));
overview.append(links.node, element("div.columns", ...[...columns.values()].map(({ node }) => node)));
overview.setAttribute("aria-busy", "false");
links.open(members.label);
new ResizeObserver(chooseLayout).observe(overview);
const waiting = new Waiting(byId("waiting"), zone);
const diagram = new Diagram(byId("timeline"), byId("pace"), followers, { labelOf, zone });

function say(text) {
  setMessage(byId("said"), text);
}

function open(label, isOpen) {
  columns.get(label).node.classList.toggle("open", isOpen);
}

/** Shows all columns beside each other if they fit, and else an overview with the columns that are open. */
function chooseLayout() {
  const remPx = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
  const neededRem = labels.length * (COLUMN_MIN_REM + GAP_REM) - GAP_REM;
  const isOverview = links.node.clientWidth < neededRem * remPx;
  document.body.classList.toggle("compact", isOverview);
  if (links.isOverview !== isOverview) links.setOverview(isOverview);
}

function show(follower, news) {
  const inClass = bar.show(followers);
  links.show(followers, inClass);
  for (const each of followers) acts.get(each.label).show(each, inClass);
  waiting.read();
  diagram.look();
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
    return ask(baseOf(here), "PUT", `/replica/links/${encodeURIComponent(peer)}`, { body: { up: !up } });
  };
  const results = await Promise.allSettled([set(one, other), set(other, one)]);
  const failed = results.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message);
  const done = up ? "cut" : "healed";
  if (failed.length) say(`The link is not ${done} at both ends. ${failed.join(" ")}`);
  else say(`The link between ${one} and ${other} is ${done}.`);
  lookAgain();
}

function baseOf(wanted) {
  return followers.find(({ label }) => label === wanted).base;
}

function lookAgain() {
  return Promise.all(followers.map((follower) => follower.look()));
}

/** Sends a request to a replica, and says `words(answer)`. Returns null, or the code of a refusal. */
async function run(label, method, path, options, words) {
  let code = null;
  try {
    say(words(await ask(baseOf(label), method, path, options)));
  } catch (problem) {
    say(`${label}: ${sentenceFor(problem)}`);
    code = problem.code ?? "";
  }
  lookAgain();
  return code;
}

/** The names of the rooms; none in a cluster that does not play the rooms. */
async function readRooms() {
  let names = [];
  await answers(async () => {
    const { rooms: found } = await ask("", "GET", "/rooms");
    names = found.map(({ name }) => name);
  });
  return names;
}

function makeActs(label, index) {
  const { users } = members;
  return new Acts(label, {
    run: (...request) => run(label, ...request),
    control: control && ((name) => order(() => control[name](label), `${label}: ${DONE[name]}.`)),
    zone,
    user: users.length ? users[index % users.length] : "",
    users,
    rooms,
  });
}

/** Sends a request to the control of this page, and says what was done. */
async function order(send, done) {
  try {
    await send();
    say(done);
  } catch (problem) {
    say(sentenceFor(problem, "cluster.py does not answer. Open the address that its terminal shows."));
  }
  lookAgain();
}

function startOver() {
  return order(() => control.reset(), "Starting over: all replicas begin with empty logs.");
}

/** Changes the pace of all replicas that answer, and names the others: they stay as they are. */
async function setPace(pace) {
  const set = ({ base }) => ask(base, "PUT", "/replica/pace", { body: { pace } });
  const results = await Promise.allSettled(followers.map(set));
  const failed = results.flatMap(({ status, reason }, index) =>
    status === "rejected" ? [`${labels[index]} (${sentenceFor(reason, "does not answer")})`] : [],
  );
  if (failed.length) say(`No change at ${failed.join(", ")}. The other replicas have ${pace} pace.`);
  else say(`All replicas have ${pace} pace.`);
  lookAgain();
}

/** One session between the ends of a link. */
async function meet({ one, other, number }) {
  lastLink = number;
  const path = `/replica/sync/${encodeURIComponent(other)}`;
  await run(one, "POST", path, {}, ({ sent, received }) => {
    return sent + received
      ? `Session: ${plural(sent, "write or commit", "writes or commits")} from ${one} to ${other}, ${received} from ${other} to ${one}.`
      : `Session: ${one} and ${other} hold the same writes.`;
  });
}

/** Does what is due next, by what the replicas hold now. */
async function step() {
  await lookAgain();
  const states = new Map(followers.filter(({ up }) => up === true).map(({ label, info }) => [label, info]));
  const { link, commit, why } = nextDue(links.links, states, lastLink);
  if (link) await meet(link);
  else if (commit) await acts.get(commit).commitAll();
  else say(why);
}
