// Returns the faults of a web page as it is now, as sentences. Tests run this file as the body of a function. The
// argument is a selector of the elements that may be cut off or scrolled sideways. These are faults:
// - Two pieces (texts, or things with a border) overlap by more than TOLERANCE_PX in both directions, and neither
//   piece is part of the other.
// - Any other element is cut off, or must be scrolled sideways, or is outside of the window.
//   A typed text may scroll in its field, and a notice that stays in sight may lie over the scrolled page.
// - A text has a contrast below CONTRAST_MIN, unless the text is on a disabled button.

const TOLERANCE_PX = 3;
const ABOVE_LETTERS = 0.12; // the share of the height of a text's box that is above its letters, and below them
const CONTRAST_MIN = 4.5;
const THINGS =
  ".node, .link, .badge, .origin, .write, .column, button, input, select, .timeline, .waiting, .bar, .block, aside, dialog";
const mayBeCut = arguments[0];
const found = new Set();
const wide = document.documentElement;
const root = document.querySelector(":modal") ?? document.body; // a dialog covers what is below it
if (wide.scrollWidth > wide.clientWidth) found.add(`the page is ${wide.scrollWidth - wide.clientWidth} px too wide`);

const isSeen = (node) => node.checkVisibility({ visibilityProperty: true }) && !node.closest(".unseen, noscript");
const nameOf = (node) => {
  const names = typeof node.className === "string" ? node.className : node.className.baseVal;
  const text = node.textContent.trim().replace(/\s+/g, " ");
  return `${node.localName}${names && "." + names.replaceAll(" ", ".")} “${text.slice(0, 30)}”`;
};

// Returns the part of a rectangle in a node that the node and the scrolling elements around it show. Returns null if
// that is nothing.
const shown = (node, { left, top, right, bottom }) => {
  for (let around = node; around && around !== document.body; around = around.parentElement) {
    const { overflowX, overflowY } = getComputedStyle(around);
    if (overflowX === "visible" && overflowY === "visible") continue;
    const box = around.getBoundingClientRect();
    [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
    [top, bottom] = [Math.max(top, box.top), Math.min(bottom, box.bottom)];
  }
  return right - left > 1 && bottom - top > 1 ? { left, top, right, bottom } : null;
};

const isNotice = (node) => node.closest("[role=status]") !== null;
const pieces = [];
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
const texts = [];
while (walker.nextNode()) {
  const node = walker.currentNode;
  const parent = node.parentElement;
  if (!node.data.trim() || !isSeen(parent) || parent.closest("option, datalist, script")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const rects = [...range.getClientRects()].map((rect) => shown(parent, rect)).filter(Boolean);
  if (rects.length) texts.push(parent);
  for (const { left, top, right, bottom } of rects) {
    const rest = ABOVE_LETTERS * (bottom - top);
    pieces.push({ node: parent, box: { left, top: top + rest, right, bottom: bottom - rest } });
  }
  if (parent.closest(mayBeCut)) continue;
  for (const { left, right } of rects) {
    if (left < -1 || right > innerWidth + 1) found.add(`outside of the window: ${nameOf(parent)}`);
  }
}
for (const node of root.querySelectorAll(THINGS)) {
  const box = isSeen(node) && shown(node.parentElement, node.getBoundingClientRect());
  if (box) pieces.push({ node, box });
}
pieces.sort((one, other) => one.box.top - other.box.top);
pieces.forEach(({ node, box }, index) => {
  for (let next = index + 1; next < pieces.length && pieces[next].box.top < box.bottom - TOLERANCE_PX; next += 1) {
    const { node: other, box: its } = pieces[next];
    if (its.left >= box.right - TOLERANCE_PX || box.left >= its.right - TOLERANCE_PX) continue;
    if (isNotice(node) !== isNotice(other)) continue;
    if (its.bottom - its.top <= TOLERANCE_PX || node.contains(other) || other.contains(node)) continue;
    found.add(`${nameOf(node)} overlaps ${nameOf(other)}`);
  }
});

for (const node of [root, ...root.querySelectorAll("*:not(svg *)")]) {
  if (!isSeen(node) || node.matches(`${mayBeCut}, select, option, input:not([type=date])`)) continue;
  const { overflowX, overflowY } = getComputedStyle(node);
  if (overflowX !== "visible" && node.scrollWidth > node.clientWidth + 1) found.add(`cut at its side: ${nameOf(node)}`);
  const isCut = ["hidden", "clip"].includes(overflowY) && node.scrollHeight > node.clientHeight + 1;
  if (isCut) found.add(`cut below: ${nameOf(node)}`);
}
for (const text of root.querySelectorAll("svg text")) {
  if (!isSeen(text) || !text.textContent) continue;
  const box = text.getBoundingClientRect();
  const around = text.ownerSVGElement.getBoundingClientRect();
  const isAcross = box.left >= around.left - 1 && box.right <= around.right + 1;
  const isDown = box.top >= around.top - 1 && box.bottom <= around.bottom + 1;
  if (!isAcross || !isDown) found.add(`outside of its drawing: ${nameOf(text)}`);
}

const read = (colour) => {
  const [red, green, blue, alpha = 1] = colour.match(/[\d.]+/g).map(Number);
  const most = colour.startsWith("color(srgb") ? 255 : 1; // color(srgb) has shares between 0 and 1
  return { rgb: [red * most, green * most, blue * most], alpha };
};
const over = ({ rgb, alpha }, ground) => rgb.map((value, index) => value * alpha + ground[index] * (1 - alpha));
const luminance = (rgb) => {
  const linear = (share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
  const [red, green, blue] = rgb.map((value) => linear(value / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
// Returns the colours behind a node. Stripes give more than one colour.
const grounds = (node) => {
  if (!node) return [[255, 255, 255]];
  const { backgroundColor, backgroundImage } = getComputedStyle(node);
  const stripes = backgroundImage.match(/rgba?\([^)]*\)/g);
  const layers = (stripes ?? [backgroundColor]).map(read);
  if (layers.length && layers.every(({ alpha }) => alpha === 1)) return layers.map(({ rgb }) => rgb);
  const below = grounds(node.parentElement);
  return layers.length ? layers.flatMap((layer) => below.map((ground) => over(layer, ground))) : below;
};
for (const node of new Set(texts)) {
  if (node.closest(":disabled, svg .sign")) continue; // the sign of a mark is on a figure
  let opacity = 1;
  for (let at = node; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
  const drawing = node.closest("svg");
  const colour = read(getComputedStyle(node)[drawing ? "fill" : "color"]);
  for (const ground of grounds(drawing ?? node)) {
    const seen = over({ ...colour, alpha: colour.alpha * opacity }, ground);
    const [dark, light] = [seen, ground].map(luminance).sort((one, other) => one - other);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < CONTRAST_MIN) found.add(`contrast ${contrast.toFixed(1)}: ${nameOf(node)}`);
  }
}
return [...found];
