// What somebody can do at one replica in a class: reserve, commit, promote, truncate; with a control, crash and restart.

import { button, element, onSubmit, setText } from "../shared/dom.js";
import { MINUTE_MS, addDays, iso, momentOf, wallClock } from "../shared/times.js";

const HOUR_MS = 60 * MINUTE_MS;
const HOURS = Array.from({ length: 24 }, (_, hour) => `${String(hour).padStart(2, "0")}:00`);
const NO_PRIMARY = ["peer_unreachable", "no_primary", "link_cut"]; // refusals of `promote` that force overcomes

export class Acts {
  /**
   * `run(method, path, {body, user}, words)` sends a request to the replica, and says the words that `words(answer)`
   * returns; it returns the code of a refusal. `control(act)` crashes or restarts it; null if that is not possible.
   */
  constructor(label, { run, control, zone, user, users, rooms }) {
    this.label = label;
    this.run = run;
    this.zone = zone;
    this.mayForce = false;
    const act = (name, onClick) => button(".act", onClick, { "data-act": name }, name);
    this.reserve = act("reserve", () => this.toggleForm());
    this.reserve.hidden = rooms.length === 0;
    this.commit = act("commit", () => this.commitAll());
    this.promote = act("promote", () => this.takeOver());
    this.truncate = act("truncate", () => this.send("truncate", { keep: 0 }, ({ dropped }) => `${dropped} dropped`));
    this.crash = control && act("crash", () => control(this.isUp ? "crash" : "restart"));
    this.needUp = [this.reserve, this.commit, this.promote, this.truncate];
    this.form = makeForm(label, { user, users, rooms, day: addDays(wallClock(Date.now(), zone).day, 1) });
    onSubmit(this.form, () => this.ask());
    this.node = element("div.acts", { hidden: "" }, element("p", ...this.needUp, this.crash), this.form);
  }

  show({ up, info }, inClass) {
    this.node.hidden = !inClass;
    this.isUp = up !== false;
    for (const each of this.needUp) each.disabled = !this.isUp;
    this.commit.hidden = !info?.primary.here;
    this.promote.hidden = info?.primary.here === true;
    if (info?.primary.here) this.mayForce = false;
    setText(this.promote, this.mayForce ? "promote by force" : "promote");
    if (this.crash) setText(this.crash, this.isUp ? "crash" : "restart");
  }

  send(path, body, words) {
    return this.run("POST", `/replica/${path}`, { body }, (answer) => `${this.label}: ${words(answer)}.`);
  }

  commitAll() {
    return this.send("commit", undefined, ({ committed }) => `${committed} committed`);
  }

  /** Becomes the primary. If the present one cannot hand over, the next click does it by force. */
  async takeOver() {
    const body = this.mayForce ? { force: true } : {};
    const code = await this.send("promote", body, () => "is the primary now");
    this.mayForce = NO_PRIMARY.includes(code);
  }

  toggleForm() {
    this.form.hidden = !this.form.hidden;
    if (!this.form.hidden) this.form.elements.user.focus();
  }

  async ask() {
    const { user, room, day, at, or } = Object.fromEntries(new FormData(this.form));
    const starts = [at, or].filter(Boolean).map((time) => momentOf(day, Number(time.slice(0, 2)) * 60, this.zone));
    const slots = starts
      .filter((start) => start !== null) // clocks skip that hour
      .map((start) => ({ start: iso(start), end: iso(start + HOUR_MS) }));
    const code = await this.run("POST", "/reservations", { body: { room, slots }, user }, ({ state }) => `${this.label}: ${state}.`);
    this.form.hidden = code === null;
  }
}

function makeForm(label, { user, users, rooms, day }) {
  const list = `users-of-${label}`;
  const hours = () => HOURS.map((hour) => element("option", hour));
  const form = element(
    "form.reserve",
    { hidden: "", "aria-label": `Reserve at ${label}` },
    element("datalist", { id: list }, ...users.map((name) => element("option", { value: name }))),
    field("who", element("input", { name: "user", list, value: user, required: "", autocomplete: "off" })),
    field("room", element("select", { name: "room" }, ...rooms.map((room) => element("option", room)))),
    field("day", element("input", { name: "day", type: "date", value: day, required: "" })),
    field("at", element("select", { name: "at" }, ...hours())),
    field("or", element("select", { name: "or" }, element("option", { value: "" }, "–"), ...hours())),
    element("button", "reserve"),
  );
  form.elements.at.value = "09:00";
  form.elements.or.value = "10:00";
  return form;
}

function field(name, input) {
  return element("label", element("span", name), input);
}
