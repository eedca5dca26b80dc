// Makes elements. Text goes in as text only, so what users typed can never become markup.

/** An element with `attributes` (null leaves one out) and `children` (elements or text; null leaves one out). */
export function element(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** The same as `element`, for an element of an SVG drawing. */
export function drawing(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

export function button(attributes, onClick, ...children) {
  const node = element("button", { type: "button", ...attributes }, ...children);
  node.addEventListener("click", onClick);
  return node;
}

export function byId(id) {
  return document.getElementById(id);
}

/** Sets the text only if it differs, so that a screen reader does not read it twice. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
