// The login page: a token is sent once, and the replica's answer keeps it in a cookie that scripts cannot read.

import { setText } from "./shared/dom.js";
import { ask } from "./shared/rest.js";

const present = document.getElementById("present");
const form = document.getElementById("form");
const token = document.getElementById("token");
const wrong = document.getElementById("wrong");
const leave = document.getElementById("leave");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  setText(wrong, "");
  try {
    await ask("", "PUT", "/login", { body: { token: token.value.trim() } });
    location.assign("/");
  } catch (reason) {
    setText(wrong, reason.message);
    token.select();
  }
});

leave.addEventListener("click", async () => {
  await ask("", "DELETE", "/login");
  show(await ask("", "GET", "/login"));
});

function show({ auth, user, role }) {
  form.hidden = auth === "none";
  leave.hidden = !user;
  if (auth === "none") setText(present, "Nobody needs a token here: say your name on the calendar.");
  else if (user) setText(present, `You are ${user} (${role}). Another token makes you somebody else.`);
  else setText(present, "This replica asks for a token.");
  if (!form.hidden) token.focus();
}

try {
  show(await ask("", "GET", "/login"));
} catch (reason) {
  // A kept token that has been revoked: it is forgotten, and another one asked for.
  await ask("", "DELETE", "/login").catch(() => {});
  show({ auth: "tokens", user: null, role: null });
  setText(wrong, reason.message);
}
