// Who the user is: a name kept by this browser. If replicas ask for tokens, they say who it is.

import { byId, element, setText } from "../shared/dom.js";
import { remember, remembered } from "./storage.js";

const KEY = "bayou-user";
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._@+-]{1,64}$/;

export class Me {
  constructor(users, onChange) {
    this.role = "user";
    this.fixed = null;
    this.field = byId("me");
    this.wrong = byId("me-wrong");
    byId("users").append(...users.map((name) => element("option", { value: name })));
    this.field.value = remembered(KEY);
    this.field.addEventListener("input", () => this.take(onChange));
    this.take(() => {});
  }

  /** The name of the user; empty while there is none, or an invalid one. */
  get name() {
    if (this.fixed !== null) return this.fixed;
    const typed = this.field.value.trim();
    return NAME.test(typed) ? typed : "";
  }

  /** The replica knows the user by the token. */
  fix(name, role) {
    this.fixed = name;
    this.role = role;
    this.field.hidden = true;
    const who = role === "user" ? name : `${name}, ${role}`;
    this.field.after(element("a.known", { href: "/login", title: "Log in as somebody else" }, who));
  }

  /** Whether there is a name; if not, asks for it. */
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
    if (this.name) remember(KEY, this.name);
    onChange();
  }
}
