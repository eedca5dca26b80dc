// The shortcuts of the cluster page: single keys, for somebody who stands at the projector.

/** Whether a key is meant as a shortcut, and not for the browser or a field. */
export function isShortcut(event) {
  const isTyped = event.target instanceof Element && event.target.matches("input, select, textarea");
  return !(isTyped || event.ctrlKey || event.metaKey || event.altKey || event.repeat);
}
