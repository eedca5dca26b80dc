// Makes elements. Text goes in as text only, so what users typed can never become markup.

import { SIGNS } from "./words.js";

/**
 * A new element, as in `element("p.note", { role: "status" }, "Saved")`: the tag with its classes, then the attributes,
 * which may be left out, and the children. An attribute or a child that is null is left out.
 */
export function element(name, ...parts) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  if (parts[0]?.constructor === Object) setAttributes(node, parts.shift());
  node.append(...parts.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element of an SVG drawing. */
export function drawing(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(node, attributes);
  return node;
}

/** A button, as in `button(".main", save, "Save")`: its classes, what a click does, and the rest as for `element`. */
export function button(classes, onClick, ...parts) {
  const node = element(`button${classes}`, ...parts);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

/** The sign of a state in its shape and colour. */
export function shape(state) {
  return element(`i.shape.${state}`, SIGNS[state]);
}

export function byId(id) {
  return document.getElementById(id);
}

/** Runs `send()` when a form is submitted, instead of what the browser would do. */
export function onSubmit(form, send) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
}

/** Sets the text only if it differs, so that a screen reader does not read it twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Shows a message of a replica: the words between backquotes are code. Like `setText`, it keeps what is there already. */
export function setMessage(node, message) {
  const shown = prose(message);
  if (node.textContent !== shown.textContent) node.replaceChildren(...shown.childNodes);
}

/** A message of a replica as an element. */
export function prose(message) {
  const parts = message.split(/`([^`]+)`/);
  return element("span", ...parts.map((part, index) => (index % 2 ? element("code", part) : part)));
}

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
}
