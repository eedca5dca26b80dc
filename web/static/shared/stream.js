// Following GET /events of one replica, for as long as the page is looked at.
//
// A browser's own reconnecting gives up for good when a replica answers with an error, as one does that has too many
// streams; so each try is ours. While nobody looks the stream is closed: a replica serves only a few, and a browser
// opens only six connections to one address, so that six forgotten tabs would stop the seventh.

const NAMES = ["accepted", "received", "moved", "rejected", "committed", "revoked", "link", "session", "reset"];
const WAIT_MIN_MS = 400;
const WAIT_MAX_MS = 4000;

export class Stream {
  /**
   * `onOpen()` at each (re)connection: what happened before is not told, so read the state then. `onEvent(name, data)`
   * in order. `onLost()` when a stream that was wanted broke, or could not be had.
   */
  constructor(base, { onOpen, onEvent, onLost }) {
    this.base = base;
    this.onOpen = onOpen;
    this.onEvent = onEvent;
    this.onLost = onLost;
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
      this.onOpen();
    });
    source.addEventListener("error", () => this.lose(source));
    for (const name of NAMES) {
      source.addEventListener(name, (event) => this.onEvent(name, JSON.parse(event.data)));
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
    this.onLost();
    this.timer = setTimeout(() => this.open(), this.waitMs);
    this.waitMs = Math.min(this.waitMs * 2, WAIT_MAX_MS);
  }
}
