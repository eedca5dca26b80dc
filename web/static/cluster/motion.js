// Movement, for those who want it: a write that travels, rows that make room. It ends by itself and changes nothing.

const calm = matchMedia("(prefers-reduced-motion: reduce)");

const TRAVEL_MS = 750;
const GIVE_WAY_MS = 320;

export function isCalm() {
  return calm.matches || document.hidden;
}

export function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

/** Changes the children of `list` by `change()`, and lets those that stay slide from where they were. */
export function slide(list, change) {
  const before = new Map([...list.children].map((child) => [child, child.offsetTop - list.scrollTop]));
  change();
  if (isCalm()) return;
  for (const child of list.children) {
    const distance = before.has(child) ? before.get(child) - (child.offsetTop - list.scrollTop) : 0;
    if (distance) {
      child.animate([{ translate: `0 ${distance}px` }, { translate: "0 0" }], {
        duration: GIVE_WAY_MS,
        easing: "ease-in-out",
      });
    }
  }
}

/** Lets a copy of `row` fly from the rectangle `start` to the row, which is visible once the copy arrives. */
export async function travel(row, start) {
  const end = row.getBoundingClientRect();
  const copy = row.cloneNode(true);
  copy.className += " travelling";
  copy.removeAttribute("data-write");
  copy.setAttribute("aria-hidden", "true");
  for (const name of ["left", "top", "width", "height"]) copy.style[name] = `${end[name]}px`;
  document.body.append(copy);
  row.style.visibility = "hidden";
  const [x, y] = [start.left - end.left, start.top - end.top];
  const lift = Math.min(90, Math.abs(x) / 5);
  try {
    await copy.animate(
      [
        { translate: `${x}px ${y}px`, scale: "1" },
        { translate: `${x / 2}px ${y / 2 - lift}px`, scale: "1.06", offset: 0.5 },
        { translate: "0 0", scale: "1" },
      ],
      { duration: TRAVEL_MS, easing: "cubic-bezier(.45,.05,.35,1)" },
    ).finished;
  } finally {
    copy.remove();
    row.style.visibility = "";
  }
}

/** Lets an element glow once, for a short time. */
export function flash(node, name) {
  node.classList.remove(name);
  void node.offsetWidth; // so that a second glow starts again
  node.classList.add(name);
  node.addEventListener("animationend", () => node.classList.remove(name), { once: true });
}
