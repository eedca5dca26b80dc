// Follows GET /events of one replica while somebody looks at the page.
//
// This reconnects by itself: a browser's own reconnecting gives up for good when a replica answers with an error, as one
// does that has too many streams. While the page is hidden the stream is closed, because a replica serves only a few
// streams, and a browser opens only six connections to one address: six forgotten tabs would block the seventh.

const WRITES = ["accepted", "received", "moved", "rejected", "committed", "revoked"];
const NAMES = [...WRITES, "replay", "link", "session", "pace", "reset"];
const WAIT_MIN_MS = 400;
const WAIT_MAX_MS = 4000;

export class Stream {
  /**
   * `on.open()` runs at each (re)connection; earlier events do not come, so read the state then. `on.event(name, data)`
   * runs for each event, in order. `on.lost()` runs when a stream breaks or cannot be opened.
   */
  constructor(base, on) {
    this.base = base;
    this.on = on;
    this.source = null;
    this.timer = null;
    this.waitMs = WAIT_MIN_MS;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", () => this.open());
    this.open();
  }

  get isOpen() {
    return this.source?.readyState === EventSource.OPEN;
  }

  open() {
    if (this.source || document.hidden) return;
    clearTimeout(this.timer);
    const source = new EventSource(`${this.base}/events`);
    this.source = source;
    source.addEventListener("open", () => {
      this.waitMs = WAIT_MIN_MS;
      this.on.open();
    });
    source.addEventListener("error", () => this.lose(source));
    for (const name of NAMES) {
      source.addEventListener(name, (event) => this.on.event(name, JSON.parse(event.data)));
    }
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  lose(source) {
    if (source !== this.source) return;
    this.close();
    this.on.lost();
    this.timer = setTimeout(() => this.open(), this.waitMs);
    this.waitMs = Math.min(this.waitMs * 2, WAIT_MAX_MS);
  }
}
