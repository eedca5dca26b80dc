// The calendar page: puts the parts together, and decides what is drawn when.

import { element, setText } from "../shared/dom.js";
import { ask } from "../shared/rest.js";
import { Details } from "./details.js";
import { factsOf } from "./facts.js";
import { Finder } from "./finder.js";
import { Form } from "./form.js";
import { Grid } from "./grid.js";
import { health } from "./health.js";
import { Me } from "./me.js";
import { showMine } from "./mine.js";
import { Select } from "./select.js";
import { Source } from "./source.js";
import { Tray } from "./tray.js";
import { View } from "./view.js";

const COLOURS = 8;
const MARK_MS = 20_000; // how long a reservation that moved says from where
const TICK_MS = 20_000;
const AGAIN_MS = 1000;

const byId = (id) => document.getElementById(id);
const marks = new Map(); // reservation id -> the place from which it moved
let looked = "";

const members = await answerOf("/cluster");
const source = new Source({ calendar: draw, health: showHealth, mine: showReservations, event: hear });
const view = new View(source, look);
const me = new Me(members.users, changeUser);
const form = new Form(me, roomOf, { change: draw, done: changed });
const grid = new Grid(byId("calendar"), (changes) => view.go(changes));
const names = () => source.rooms.map(({ name }) => name);
const details = new Details(byId("details"), { roomOf, names }, { changed, look: lookAt });
const finder = new Finder(byId("finder"), source, { choose: takeRoom });
const tray = new Tray(byId("tray"), roomOf, { changed });
new Select(grid, {
  choose: (room, start, end) => source.isGuest || form.add(room, start, end),
  drop: (number) => form.drop(number),
  open: (id) => source.isGuest || details.open(id, me),
});

byId("previous").addEventListener("click", () => view.turn(-1));
byId("next").addEventListener("click", () => view.turn(1));
byId("today").addEventListener("click", () => view.go({ day: view.today }));
byId("day").addEventListener("click", () => view.go({ view: "day", day: view.day }));
byId("week").addEventListener("click", () => view.go({ view: "week", day: view.day, room: view.room?.name ?? "" }));
byId("find").addEventListener("click", () => finder.open(view.day));
byId("mine").addEventListener("click", (event) => {
  const id = event.target.closest("[data-open]")?.dataset.open;
  if (id) details.open(id, me);
});
byId("room").addEventListener("change", () => view.go({ room: byId("room").value }));
showReplica();
await readLogin();
source.user = me.name;
await source.readRooms();
look();
await source.start();
byId("calendar").setAttribute("aria-busy", "false");
setInterval(() => grid.tick(), TICK_MS);

/** What a page cannot begin without: it is asked for until there is an answer. */
async function answerOf(path) {
  for (;;) {
    try {
      return await ask("", "GET", path);
    } catch (problem) {
      byId("health").dataset.level = "lost";
      setText(byId("health"), `${problem.message} Trying again …`);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

/** Where replicas want tokens, who I am is theirs to say. */
async function readLogin() {
  const { auth, user, role } = await answerOf("/login");
  if (auth !== "tokens") return;
  me.fix(user ?? "", role);
  source.isGuest = role === "guest";
  document.body.dataset.role = role ?? "none";
}

/** Show the days and rooms that the address asks for. */
function look() {
  const { periods } = view;
  const asked = JSON.stringify(periods);
  if (asked !== looked) {
    looked = asked;
    source.look(periods);
  }
  draw();
}

function draw() {
  // Another room may have been named, or midnight may have passed.
  if (JSON.stringify(view.periods) !== looked) {
    look();
    return;
  }
  setText(byId("title"), view.title);
  setText(byId("facts"), view.isWeek ? factsOf(view.room).join(" · ") : "");
  document.title = `${view.title} – rooms`;
  byId("day").setAttribute("aria-pressed", String(!view.isWeek));
  byId("week").setAttribute("aria-pressed", String(view.isWeek));
  showRooms();
  grid.show({
    columns: view.columns,
    zone: view.zone,
    calendars: source.calendars,
    choices: form.choices,
    me: me.name,
    marks,
  });
}

function showRooms() {
  const select = byId("room");
  select.hidden = !view.isWeek;
  const names = source.rooms.map(({ name }) => name);
  if ([...select.options].map(({ value }) => value).join("\n") !== names.join("\n")) {
    select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  }
  select.value = view.room?.name ?? "";
}

function showReplica() {
  const index = members.replicas.findIndex(({ label }) => label === members.label);
  byId("replica").dataset.colour = String(index % COLOURS);
  setText(byId("replica"), members.label);
}

function showHealth() {
  const { level, text } = health(source.info, source.up);
  byId("health").dataset.level = level;
  setText(byId("health"), text);
}

function showReservations() {
  form.follow(source.mine);
  tray.showRejected(source.mine);
  showMine(byId("mine"), source.mine, zoneOf);
}

/** A write's event. The calendar is read again for it; here is told what a reading cannot tell. */
function hear(name, { reservation, before, after, user, outcome }) {
  if (!reservation) return; // of another application
  const mine = user === me.name;
  if (name === "moved" && before && after) {
    marks.set(reservation, before);
    setTimeout(() => {
      marks.delete(reservation);
      draw();
    }, MARK_MS);
    tray.tellMoved(reservation, nameOf(reservation, user), before, after, mine);
  }
  if (name === "rejected" && !mine) tray.tellRejected(reservation, nameOf(reservation, user));
  if (name === "revoked") tray.tellRevoked(reservation, nameOf(reservation, user), outcome === "lost", mine);
}

/** What a reservation is called in a sentence, as far as this page has seen it. */
function nameOf(id, user) {
  const seen = [...source.calendars.values()].flat().find((reservation) => reservation.id === id);
  const what = seen?.purpose || "reservation";
  return user === me.name ? `Your ${what}` : `${user}’s ${what}`;
}

function changeUser() {
  source.user = me.name;
  source.readMine();
  draw();
}

function changed() {
  source.readCalendars();
  source.readMine();
  source.readReplica();
}

function lookAt(day, room) {
  view.go(view.isWeek ? { day, room } : { day });
}

function takeRoom(name, start, end, day) {
  lookAt(day, name);
  form.clear();
  if (!source.isGuest) form.add(name, start, end);
  grid.lookFor(name, start);
  if (!source.isGuest) byId("purpose").focus();
}

function roomOf(name) {
  return source.rooms.find((room) => room.name === name) ?? { name, timezone: source.timezone };
}

function zoneOf(name) {
  return roomOf(name).timezone;
}
