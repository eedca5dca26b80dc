// The paths of reservations and series, and ids of requests.

export function reservationPath(id) {
  return `/reservations/${encoded(id)}`;
}

/** The path of the series to which an occurrence belongs. */
export function seriesPath({ user, series }) {
  return `/series/${encoded(`${user}/${series}`)}`;
}

function encoded(id) {
  return id.split("/").map(encodeURIComponent).join("/");
}

/** A request id. It works without https, unlike crypto.randomUUID. */
export function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
