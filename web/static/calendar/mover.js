// Forms that change a reservation: they move it to another room, day or time, give it another purpose, or hand it over.
// In a series they change this one, or later ones too.

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
  const names = rooms.includes(room) ? rooms : [room, ...rooms]; // several that are reserved together
  const options = names.map((name) => element("option", { value: name, selected: name === room ? "" : null }, name));
  const fields = {
    room: element("select", ...options),
    day: element("input", { type: "date", value: wallClock(from, zone).day }),
    from: element("input", { type: "time", value: clock(from, zone) }),
    to: element("input", { type: "time", value: clock(to, zone) }),
    reach: makeReach(),
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

/** `send(reach, {purpose})` changes the purpose. */
export function makePurposeForm({ purpose, occurrence }, send) {
  const field = element("input", { maxlength: "200", value: purpose });
  const words = ["Purpose ", "Change"];
  return makeFieldForm(words, field, occurrence, (reach) => send(reach, { purpose: field.value.trim() }));
}

/** `send(reach, {owner})` hands it over. */
export function makeOwnerForm({ occurrence }, send) {
  const field = element("input", { maxlength: "64", list: "users", autocomplete: "off", autocapitalize: "none" });
  const words = ["New owner ", "Hand over"];
  return makeFieldForm(words, field, occurrence, (reach) => send(reach, { owner: field.value.trim() }));
}

function makeFieldForm([label, verb], field, occurrence, send) {
  const reach = makeReach();
  const form = element(
    "form.mover",
    { novalidate: "" },
    element("label.wide", label, field),
    occurrence ? element("label.wide", `${verb} `, reach) : null,
    element("div.actions.wide", element("button.main", { type: "submit" }, verb)),
  );
  onSubmit(form, () => send(reach.value));
  return form;
}

function makeReach() {
  return element(
    "select",
    element("option", { value: "one" }, "this one only"),
    element("option", { value: "later" }, "this and later ones"),
  );
}

/** `extend(until)` lets the series go on until a day. */
export function makeExtendForm(extend) {
  const until = element("input", { type: "date", required: "" });
  const form = element(
    "form.mover",
    element("label", "Extend until ", until),
    element("div.actions", element("button", { type: "submit" }, "Extend")),
  );
  onSubmit(form, () => extend(until.value));
  return form;
}
