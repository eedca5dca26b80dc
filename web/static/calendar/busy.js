// When a room is busy, without names: all that guests may see. It comes as iCalendar, GET /rooms/ROOM/freebusy.ics.

import { Refused, Silent } from "../shared/rest.js";

const TIMEOUT_MS = 8000;

/** The reservations of a room in [from, to) as a calendar has them, without whose and what for. */
export async function readBusy({ room, from, to }) {
  let response;
  let text;
  try {
    response = await fetch(`/rooms/${encodeURIComponent(room)}/freebusy.ics`, {
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    text = await response.text();
  } catch (reason) {
    throw new Silent(`No answer from the replica: ${reason.message}`);
  }
  if (!response.ok) throw new Refused(response.status, { code: "unreadable", message: response.statusText });
  return periodsOf(text)
    .filter(({ start, end }) => Date.parse(start) < to && from < Date.parse(end))
    .map((period) => ({ ...period, id: `${room} ${period.start}`, user: null, purpose: "" }));
}

/** [{start, end, state}] of the FREEBUSY lines; a long line goes on behind a line break and a blank (RFC 5545, 3.1). */
export function periodsOf(text) {
  const lines = text.replace(/\r?\n[ \t]/g, "").split(/\r?\n/);
  return lines.flatMap((line) => {
    const found = /^FREEBUSY(;[^:]*)?:(.+)$/.exec(line);
    if (!found) return [];
    const state = /FBTYPE=BUSY-TENTATIVE/.test(found[1] ?? "") ? "tentative" : "committed";
    return found[2].split(",").map((period) => {
      const [start, end] = period.split("/").map(momentText);
      return { start, end, state };
    });
  });
}

/** 20300603T090000Z as 2030-06-03T09:00:00Z. */
function momentText(text) {
  return text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
}
