// A form to move a reservation to another room, day or time. In a series it moves this one, or later ones too.

import { element, onSubmit } from "../shared/dom.js";
import { clock, iso, wallClock } from "../shared/times.js";
import { NO_PERIOD, periodOf } from "./period.js";

/**
 * `rooms` are the names of all. `send(reach, {room, slots})` moves it, where `reach` is `one` or `later`;
 * `complain(text)` shows what is wrong.
 */
export function makeMover({ room, slot: held, asked, occurrence }, rooms, zone, { send, complain }) {
  const { start, end } = held ?? asked[0];
  const [from, to] = [Date.parse(start), Date.parse(end)];
  const options = rooms.map((name) => element("option", { value: name, selected: name === room ? "" : null }, name));
  const fields = {
    room: element("select", ...options),
    day: element("input", { type: "date", value: wallClock(from, zone).day }),
    from: element("input", { type: "time", value: clock(from, zone) }),
    to: element("input", { type: "time", value: clock(to, zone) }),
    reach: element(
      "select",
      element("option", { value: "one" }, "this one only"),
      element("option", { value: "later" }, "this and later ones"),
    ),
  };
  const form = element(
    "form.mover",
    { novalidate: "" },
    element("label", "Room ", fields.room),
    element("label", "Day ", fields.day),
    element("label", "From ", fields.from),
    element("label", "To ", fields.to),
    occurrence ? element("label.wide", "Move ", fields.reach) : null,
    element("div.actions.wide", element("button.main", { type: "submit" }, "Move")),
  );
  onSubmit(form, () => {
    const period = periodOf(fields.day.value, fields.from.value, fields.to.value, zone);
    if (period === null) {
      complain(NO_PERIOD);
      return;
    }
    const slot = { start: iso(period.start), end: iso(period.end) };
    send(fields.reach.value, { room: fields.room.value, slots: [slot] });
  });
  return form;
}
