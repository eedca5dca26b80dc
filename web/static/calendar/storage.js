// What this browser keeps. One that keeps nothing may refuse access to localStorage: then it lasts as long as the page.

/** What is kept under a key; empty if there is nothing. */
export function remembered(key) {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

export function remember(key, text) {
  try {
    localStorage.setItem(key, text);
  } catch {
    // The browser refuses access.
  }
}
