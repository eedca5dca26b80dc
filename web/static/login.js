// The login page. It sends a token once; the replica's answer keeps it in a cookie that scripts cannot read.

import { byId, onSubmit, setMessage, setText } from "./shared/dom.js";
import { ask } from "./shared/rest.js";

const present = byId("present");
const form = byId("form");
const token = byId("token");
const wrong = byId("wrong");
const leave = byId("leave");

onSubmit(form, async () => {
  setText(wrong, "");
  try {
    await ask("", "PUT", "/login", { body: { token: token.value.trim() } });
    location.assign("/");
  } catch (reason) {
    setMessage(wrong, reason.message);
    token.select();
  }
});

leave.addEventListener("click", async () => {
  await ask("", "DELETE", "/login");
  show(await ask("", "GET", "/login"));
});

function show({ auth, user, role }) {
  form.hidden = auth !== "tokens";
  leave.hidden = !user || auth === "proxy";
  if (auth === "none") setText(present, "Nobody needs a token here: give your name on the calendar.");
  else if (auth === "proxy") setText(present, `You are ${user} (${role}), as the login of the building says.`);
  else if (user) setText(present, `You are ${user} (${role}). Log in with another token to be somebody else.`);
  else setText(present, "This replica asks for a token.");
  if (!form.hidden) token.focus();
}

try {
  show(await ask("", "GET", "/login"));
} catch (reason) {
  // The kept token was revoked: forget it, and ask for another one.
  await ask("", "DELETE", "/login").catch(() => {});
  show({ auth: "tokens", user: null, role: null });
  setMessage(wrong, reason.message);
}
