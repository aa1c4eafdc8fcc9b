/* What every view has: it is drawn, kept up to date while it is shown, and says what went wrong. */
import { button, fill, h } from "./dom.js";

export class View extends HTMLElement {
  #ending = null;
  #round = 0;

  /** Ends when the view goes. */
  get signal() { return this.#ending.signal; }

  connectedCallback() {
    this.#ending = new AbortController();
    this.begin();
  }

  disconnectedCallback() { this.#ending.abort(); }

  /** Read and draw: the answer of an older reading never overwrites a newer one's. */
  async draw(read, show, into = this) {
    const round = ++this.#round;
    try {
      const found = await read();
      if (round === this.#round && !this.signal.aborted) show(found);
    } catch (error) {
      if (round !== this.#round || this.signal.aborted || error.name === "AbortError") return;
      if (!error.words) throw error;
      fill(into, h("div", { class: "wrong", role: "alert" }, h("p", {}, error.words), button("Try again", () => this.draw(read, show, into))));
    }
  }
}

/** Go to another view. */
export const go = (path) => window.dispatchEvent(new CustomEvent("go", { detail: path }));

/** A link to a request. */
export const toRequest = (reference, props = {}) => h("a", { href: `/console/request/${reference}`, class: "reference", ...props }, reference);
