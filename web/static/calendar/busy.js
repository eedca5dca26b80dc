// When a room is busy, without names: all that guests may see. It comes as iCalendar, GET /rooms/ROOM/freebusy.ics.

import { askText } from "../shared/rest.js";

/** The reservations of a room in [from, to), as a calendar has them but without an owner and a purpose. */
export async function readBusy({ room, from, to }) {
  return periodsOf(await askText(`/rooms/${encodeURIComponent(room)}/freebusy.ics`))
    .filter(({ start, end }) => Date.parse(start) < to && from < Date.parse(end))
    .map((period) => ({ ...period, id: `${room} ${period.start}`, owner: null, purpose: "" }));
}

/**
 * The busy times in the FREEBUSY lines: [{start, end, state}]. A long line continues after a line break and a blank
 * (RFC 5545, 3.1).
 */
export function periodsOf(text) {
  const lines = text.replace(/\r?\n[ \t]/g, "").split(/\r?\n/);
  return lines.flatMap((line) => {
    const found = /^FREEBUSY(;[^:]*)?:(.+)$/.exec(line);
    if (!found) return [];
    const state = /FBTYPE=BUSY-TENTATIVE/.test(found[1] ?? "") ? "tentative" : "committed";
    return found[2].split(",").map((period) => {
      const [start, end] = period.split("/").map(isoText);
      return { start, end, state };
    });
  });
}

/** A time of iCalendar in ISO 8601: 20300603T090000Z as 2030-06-03T09:00:00Z. */
function isoText(text) {
  return text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
}
