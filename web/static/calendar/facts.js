// What is known of a room or of several, and how a rule of repetition reads. Pure functions.

import { shortDay } from "../shared/times.js";
import { plural } from "../shared/words.js";

const EVERY = { DAILY: "day", WEEKLY: "week", MONTHLY: "month", YEARLY: "year" };
const DAYS = { MO: "Mon", TU: "Tue", WE: "Wed", TH: "Thu", FR: "Fri", SA: "Sat", SU: "Sun" };

const TOGETHER = "+";

/** The names of the rooms that are reserved together under one name, such as 6.12+6.14. Mostly it is one. */
export function roomsOf(name) {
  return name.split(TOGETHER);
}

/** The name of rooms that are reserved together. */
export function nameOf(rooms) {
  return rooms.join(TOGETHER);
}

/** What is known of these rooms as one: it is open when all of them are. */
export function factsTogether(rooms) {
  if (rooms.length === 1) return rooms[0];
  const given = (end) => rooms.map((room) => room[end]).filter(Boolean).sort();
  return {
    name: nameOf(rooms.map(({ name }) => name)),
    timezone: rooms[0].timezone,
    opens: given("opens").at(-1) ?? null,
    closes: given("closes")[0] ?? null,
    closed: [...new Set(rooms.flatMap(({ closed }) => closed ?? []))],
  };
}

/** ["6 seats", "projector, whiteboard", "Floor 6", "open 08:00–20:00", "closed sunday"], without what is not known. */
export function factsOf({ capacity, features, location, opens, closes, closed }) {
  return [
    capacity ? plural(capacity, "seat") : null,
    features?.length ? features.join(", ") : null,
    location,
    opens || closes ? `open ${opens ?? "00:00"}–${closes ?? "24:00"}` : null,
    closed?.length ? `closed ${closed.join(", ")}` : null,
  ].filter(Boolean);
}

/** `every week on Mon, Wed until Thu 31 Dec 2026`; a rule of any other form unchanged. */
export function ruleWords(rule) {
  const parts = Object.fromEntries(rule.split(";").map((part) => part.split("=")));
  const { FREQ, INTERVAL = "1", COUNT, UNTIL, BYDAY, WKST, ...others } = parts;
  const days = BYDAY?.split(",").map((day) => DAYS[day]);
  if (!EVERY[FREQ] || Object.keys(others).length || days?.includes(undefined)) return rule;
  const words = [INTERVAL === "1" ? `every ${EVERY[FREQ]}` : `every ${INTERVAL} ${EVERY[FREQ]}s`];
  if (days) words.push(`on ${days.join(", ")}`);
  if (COUNT) words.push(plural(Number(COUNT), "time"));
  if (UNTIL) {
    const day = `${UNTIL.slice(0, 4)}-${UNTIL.slice(4, 6)}-${UNTIL.slice(6, 8)}`;
    words.push(`until ${shortDay(day)} ${day.slice(0, 4)}`);
  }
  return words.join(" ");
}
