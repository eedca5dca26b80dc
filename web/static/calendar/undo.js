// Holds a cancel back for ten seconds, in which it can be undone. Meanwhile the page looks as if it were done. It is sent
// earlier before anything else that the user changes, and when the page is left or hidden: then nobody could undo it, and
// a phone may end the page without another word.

import { button, element, prose } from "../shared/dom.js";
import { ask, sentenceFor } from "../shared/rest.js";

const HOLD_MS = 10_000;

export class Undo {
  /**
   * `on.change()` runs when other reservations are to be shown as cancelled; `on.sent()` after one was sent, and returns
   * a promise that everything is read again.
   */
  constructor(node, on) {
    this.node = node;
    this.on = on;
    this.held = null;
    this.going = new Map(); // a cancel that is being sent -> a promise of the end of that
    window.addEventListener("pagehide", () => this.send());
    document.addEventListener("visibilitychange", () => document.hidden && this.send());
    document.addEventListener("keydown", (event) => this.press(event));
  }

  /** Whether a reservation is to be shown as cancelled. */
  hides(id) {
    return [this.held, ...this.going.keys()].some((cancel) => cancel?.includes(id));
  }

  /** Takes a cancel: {path, user, words, includes(id): whether it cancels that reservation}. */
  hold(cancel) {
    this.send();
    this.held = { ...cancel, timer: setTimeout(() => this.send(), HOLD_MS) };
    this.say(`Cancelled ${cancel.words}.`, button("", () => this.undo(), { title: "Ctrl+Z" }, "Undo"));
    this.on.change();
  }

  undo() {
    clearTimeout(this.held.timer);
    this.held = null;
    this.say("");
    this.on.change();
  }

  /** Sends what is held back. Returns a promise that nothing is being sent any more. */
  async send() {
    const { held } = this;
    if (held) {
      clearTimeout(held.timer);
      this.held = null;
      this.say("");
      this.going.set(held, this.sendNow(held));
    }
    await Promise.all(this.going.values());
  }

  async sendNow(cancel) {
    try {
      // The browser ends this request even if the page is closed.
      await ask("", "DELETE", cancel.path, { user: cancel.user, keepalive: true });
    } catch (problem) {
      this.complain(cancel, sentenceFor(problem));
    }
    await this.on.sent();
    this.going.delete(cancel);
    this.on.change();
  }

  complain(cancel, sentence) {
    const again = () => {
      this.held = cancel;
      this.send();
    };
    const close = button("", () => this.say(""), "Close");
    this.say(`Not cancelled: ${cancel.words}. ${sentence}`, button("", again, "Try again"), close);
  }

  say(text, ...buttons) {
    this.node.replaceChildren(...(text ? [element("p", prose(text)), ...buttons] : []));
  }

  press(event) {
    const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    if (!isUndo || !this.held || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    this.undo();
  }
}
