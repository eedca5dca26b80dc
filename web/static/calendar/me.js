// Who I am: a name kept by this browser, and nothing more than a name; where replicas want tokens, whom they know.

import { element, setText } from "../shared/dom.js";

const KEY = "bayou-user";
const NAME = /^[A-Za-z0-9._@+-]{1,64}$/;

export class Me {
  constructor(users, onChange) {
    this.role = "user";
    this.fixed = null;
    this.field = document.getElementById("me");
    this.wrong = document.getElementById("me-wrong");
    document.getElementById("users").append(...users.map((name) => element("option", { value: name })));
    this.field.value = remembered();
    this.field.addEventListener("input", () => this.take(onChange));
    this.take(() => {});
  }

  /** The name; empty while there is none that can be used. */
  get name() {
    if (this.fixed !== null) return this.fixed;
    const typed = this.field.value.trim();
    return NAME.test(typed) ? typed : "";
  }

  /** The replica has said who I am, by my token. */
  fix(name, role) {
    this.fixed = name;
    this.role = role;
    this.field.hidden = true;
    const who = role === "user" ? name : `${name}, ${role}`;
    this.field.after(element("a", { class: "known", href: "/login", title: "To be somebody else" }, who));
  }

  /** Ask for the name, where one is needed. */
  require() {
    if (this.name) return true;
    if (this.fixed !== null) {
      location.assign("/login");
      return false;
    }
    setText(this.wrong, "Please say who you are first.");
    this.field.setAttribute("aria-invalid", "true");
    this.field.focus();
    return false;
  }

  take(onChange) {
    const wrong = this.field.value.trim() !== "" && !this.name;
    this.field.setAttribute("aria-invalid", String(wrong));
    setText(this.wrong, wrong ? "A name has letters, digits and . _ @ + - only." : "");
    if (this.name) remember(this.name);
    onChange();
  }
}

// A browser that keeps nothing may refuse even to be asked; then the name lasts as long as the page.

function remembered() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function remember(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // As said above.
  }
}
