/* What happens, as it happens: one stream a tab, closed while nobody looks (browsers allow few connections to one host). */

class Live extends EventTarget {
  #source = null;
  #lost = false;

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#open(true)));
    this.#open(false);
  }

  stop() { this.#close(); }

  #open(again) {
    if (this.#source) return;
    const source = new EventSource("/api/v1/events");
    this.#source = source;
    source.addEventListener("open", () => {
      this.#tell("state", { connected: true });
      if (this.#lost) this.#tell("reset");
      this.#lost = false;
    });
    source.addEventListener("error", () => {
      this.#lost = true;
      this.#tell("state", { connected: false });
      if (source.readyState === EventSource.CLOSED && this.#source === source) { // refused: try again by ourselves, slowly
        this.#source = null;
        setTimeout(() => { if (!document.hidden) this.#open(true); }, 5000);
      }
    });
    source.addEventListener("change", (event) => this.#tell("change", JSON.parse(event.data)));
    source.addEventListener("reset", () => this.#tell("reset"));
    if (again) this.#tell("reset");
  }

  #close() {
    this.#source?.close();
    this.#source = null;
  }

  #tell(kind, detail = {}) { this.dispatchEvent(new CustomEvent(kind, { detail })); }
}

export const live = new Live();

/** Run `act` when something happens that `wanted` wants, at most once in `pause` milliseconds; ends with `signal`. */
export function follow(signal, wanted, act, pause = 400) {
  let timer = null;
  const soon = () => {
    if (timer !== null) return;
    timer = setTimeout(() => { timer = null; if (!signal.aborted) act(); }, pause);
  };
  live.addEventListener("change", (event) => { if (wanted(event.detail)) soon(); }, { signal });
  live.addEventListener("reset", soon, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
}
