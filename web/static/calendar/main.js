// The calendar page: puts the parts together, and decides when to draw what.

import { byId, element, setText } from "../shared/dom.js";
import { ask, askUntilAnswered } from "../shared/rest.js";
import { dayOf, iso } from "../shared/times.js";
import { colourOf } from "../shared/words.js";
import { Conflicts } from "./conflicts.js";
import { Details } from "./details.js";
import { Drag } from "./drag.js";
import { factsOf, factsTogether, roomsOf } from "./facts.js";
import { Finder } from "./finder.js";
import { Form } from "./form.js";
import { Grid } from "./grid.js";
import { health } from "./health.js";
import { Me } from "./me.js";
import { showMine } from "./mine.js";
import { Month } from "./month.js";
import { randomName, reservationPath } from "./paths.js";
import { Select } from "./select.js";
import { Source } from "./source.js";
import { Tray } from "./tray.js";
import { Undo } from "./undo.js";
import { View } from "./view.js";

const MARK_MS = 20_000; // how long a reservation that moved says from where
const TICK_MS = 20_000;

const marks = new Map(); // reservation id -> the slot from which it moved
let looked = "";

const members = await askUntilAnswered("/cluster", sayLost);
const source = new Source({
  calendar: draw,
  health: () => showHealth(health(source.info, source.up)),
  mine: showReservations,
  event: hear,
  news: readAgain,
});
const view = new View(source, turned);
const me = new Me(members.users, changeUser);
const undo = new Undo(byId("undo"), { change: showAll, sent: changed });
const form = new Form(me, roomOf, { change: draw, done: changed, write });
const grid = new Grid(byId("calendar"), (changes) => view.go(changes));
const month = new Month(byId("month-calendar"), {
  go: (changes) => view.go(changes),
  turn: (direction) => view.turn(direction),
  open,
  resize: draw,
});
const details = new Details(byId("details"), { roomOf, names: roomNames }, { changed, look: lookAt, write, cancel, settle: () => undo.send() });
const finder = new Finder(byId("finder"), source, { choose: takeRoom });
const conflicts = new Conflicts(byId("conflicts"), byId("conflicts-count"), source, roomOf, { look: openAt });
const tray = new Tray(byId("tray"), roomOf, { changed, write, cancel });
new Select(grid, {
  choose: (room, start, end) => source.isGuest || form.add(room, start, end),
  drop: (number) => form.drop(number),
  open,
});

new Drag(grid, { move });

byId("previous").addEventListener("click", () => view.turn(-1));
byId("next").addEventListener("click", () => view.turn(1));
byId("today").addEventListener("click", () => view.go({ day: view.today }));
byId("pick").addEventListener("change", () => byId("pick").value && byId("pick").validity.valid && view.go({ day: byId("pick").value }));
byId("day").addEventListener("click", () => view.go({ view: "day", day: view.day }));
for (const name of ["week", "month"]) {
  byId(name).addEventListener("click", () => view.go({ view: name, day: view.day, room: view.room?.name ?? "" }));
}
byId("find").addEventListener("click", () => finder.open(view.day));
byId("conflicts-open").addEventListener("click", () => conflicts.open());
byId("room").addEventListener("change", () => view.go({ room: byId("room").value }));
byId("replica").dataset.colour = colourOf(members.replicas.findIndex(({ label }) => label === members.label));
setText(byId("replica"), members.label);
await readLogin();
byId("conflicts-open").hidden = source.isGuest;
source.user = me.name;
await source.readRooms();
turned();
await source.start();
byId("calendar").setAttribute("aria-busy", "false");
setInterval(() => grid.tick(), TICK_MS);

function sayLost(text) {
  showHealth({ level: "lost", text });
}

/** Finds out who the user is: if replicas have roles, they say it. */
async function readLogin() {
  const { auth, user, role } = await askUntilAnswered("/login", sayLost);
  if (auth === "none") return;
  me.fix(user ?? "", role);
  source.isGuest = role === "guest";
  document.body.dataset.role = role ?? "none";
  byId("owner").closest("label").hidden = role !== "manager";
}

/** The user has turned the page. */
function turned() {
  byId("pick").value = view.day; // here, because a date that is being typed must stay
  draw();
}

/** Shows the days and rooms that the address asks for. They are read if others were shown before. */
function draw() {
  const { periods } = view;
  const asked = JSON.stringify(periods);
  if (asked !== looked) {
    looked = asked;
    source.look(periods);
  }
  setText(byId("title"), view.title);
  setText(byId("facts"), view.isOfARoom ? factsOf(view.room).join(" · ") : "");
  document.title = `${view.title} – rooms`;
  for (const name of ["day", "week", "month"]) byId(name).setAttribute("aria-pressed", String(view.name === name));
  showRooms();
  const leavesMonth = view.name !== "month" && byId("month-calendar").contains(document.activeElement);
  byId("calendar").hidden = view.name === "month";
  byId("month-calendar").hidden = view.name !== "month";
  if (view.name === "month") showMonth();
  else showGrid();
  if (leavesMonth) grid.node.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
}

function showMonth() {
  month.show({
    columns: view.columns,
    day: view.day,
    today: view.today,
    reservations: shownCalendars().get(view.room.name) ?? null,
    me: me.name,
  });
}

function showGrid() {
  grid.show({
    columns: view.columns,
    zone: view.zone,
    calendars: shownCalendars(),
    choices: form.wanted,
    me: me.name,
    marks,
    shifted: source.shifted,
  });
}

function showRooms() {
  const select = byId("room");
  select.hidden = !view.isOfARoom;
  const names = roomNames();
  if ([...select.options].map(({ value }) => value).join("\n") !== names.join("\n")) {
    select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  }
  select.value = view.room?.name ?? "";
}

function showHealth({ level, text }) {
  byId("health").dataset.level = level;
  setText(byId("health"), text);
}

function showReservations() {
  const mine = source.mine.filter(({ id }) => !undo.hides(id));
  form.follow(mine);
  tray.showRejected(mine);
  tray.showCancelled(mine);
  showMine(byId("mine"), mine, roomOf, open);
}

function showAll() {
  draw();
  showReservations();
}

/** The calendars without what is being cancelled. */
function shownCalendars() {
  const entries = [...source.calendars].map(([room, held]) => [room, held.filter(({ id }) => !undo.hides(id))]);
  return new Map(entries);
}

/** The event of a write. The calendar is read again anyway; this shows what the calendar does not say. */
function hear(name, { reservation, before, after, user, outcome, why }) {
  if (!reservation) return; // of another application
  const owner = seen(reservation)?.owner ?? user;
  const mine = owner === me.name;
  if (name === "moved" && before && after) {
    marks.set(reservation, before);
    setTimeout(() => {
      marks.delete(reservation);
      draw();
    }, MARK_MS);
    tray.noteMoved(reservation, nameOf(reservation, owner), before, after, mine);
  }
  if (name === "rejected" && outcome !== "rejected") tray.note(reservation, "✗", why, mine || user === me.name);
  if (name === "rejected" && outcome === "rejected" && !mine) {
    tray.noteRejected(reservation, nameOf(reservation, owner));
  }
  if (name === "revoked") tray.noteRevoked(reservation, nameOf(reservation, owner), outcome === "lost", mine);
}

/** Reads again what events do not describe in full: the conflicts, and the details if they are open. */
function readAgain() {
  conflicts.read();
  details.refresh();
}

/** A reservation that this page has seen. */
function seen(id) {
  return [...source.mine, ...[...source.calendars.values()].flat()].find((reservation) => reservation.id === id);
}

/** The name of a reservation in a sentence, as far as this page has seen it. */
function nameOf(id, owner) {
  const what = seen(id)?.purpose || "reservation";
  return owner === me.name ? `Your ${what}` : `${owner}’s ${what}`;
}

function changeUser() {
  source.user = me.name;
  source.readMine();
  conflicts.draw();
  draw();
}

function open(id) {
  if (!source.isGuest) details.open(id, me);
}

/** Asks the replica to change something in the name of the user, after a cancel that is held back. */
async function write(method, path, body) {
  await undo.send();
  return ask("", method, path, { body, user: me.name });
}

/** Cancels a reservation in ten seconds. `path` and `query` say what to cancel; see Undo.hold for the others. */
function cancel({ path, query = {}, words, includes }) {
  const asked = new URLSearchParams({ ...query, request: randomName() });
  undo.hold({ path: `${path}?${asked}`, user: me.name, words, includes });
}

function changed() {
  return Promise.all([source.readCalendars(), source.readMine(), source.readReplica()]);
}

/** Moves a reservation to where it was dragged. */
async function move({ id }, { room, start, end }) {
  const body = { room, slots: [{ start: iso(start), end: iso(end) }], request: randomName() };
  await form.change(() => write("PATCH", reservationPath(id), body));
  await source.readCalendars();
}

function lookAt(day, room) {
  view.go(view.isOfARoom ? { day, room: roomsOf(room)[0] } : { day });
}

/** Shows the day and the room of a slot, and the details of the reservation. */
function openAt(id, slot) {
  if (!slot) return open(id);
  const { room, start } = slot;
  lookAt(dayOf({ start }, roomOf(room).timezone), room);
  draw();
  grid.lookFor(roomsOf(room)[0], Date.parse(start));
  return open(id);
}

function takeRoom(name, start, end, day) {
  if (view.name === "month") view.go({ view: "day", day });
  lookAt(day, name);
  form.clear();
  if (!source.isGuest) form.add(name, start, end);
  grid.lookFor(name, start);
  if (!source.isGuest) byId("purpose").focus();
}

/** What is known of a room, or of several that are reserved together. */
function roomOf(name) {
  const known = (one) => source.rooms.find((room) => room.name === one) ?? { name: one, timezone: source.timezone };
  return factsTogether(roomsOf(name).map(known));
}

function roomNames() {
  return source.rooms.map(({ name }) => name);
}
