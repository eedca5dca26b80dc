// Where a reservation and a series are to be asked for.

export function reservationPath(id) {
  return `/reservations/${encoded(id)}`;
}

/** The series that an occurrence belongs to. */
export function seriesPath({ user, series }) {
  return `/series/${encoded(`${user}/${series}`)}`;
}

function encoded(id) {
  return id.split("/").map(encodeURIComponent).join("/");
}

/** A request id. Works where there is no https, unlike crypto.randomUUID. */
export function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
