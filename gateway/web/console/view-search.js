/* Finding a request however it is spelt: words, name, phone, postcode, reference. What is typed stands in no address. */
import { post } from "./api.js";
import { button, empty, field, fill, h } from "./dom.js";
import { here, step } from "./keys.js";
import { View } from "./view.js";
import { requestRow } from "./view-requests.js";

class Search extends View {
  begin() {
    this.list = h("div", { "aria-live": "polite" });
    this.items = [];
    const form = h("form", { role: "search", on: { submit: (event) => { event.preventDefault(); this.#find(); } } },
      field("Words, name, phone, e-mail, postcode or reference", (id, described) => (this.box = h("input", { id, type: "search", maxlength: 300, autocomplete: "off", "aria-describedby": described })), "Typing errors are forgiven. All of it must fit."));
    this.box.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.#find(), 250); });
    fill(this, h("h1", { tabindex: "-1" }, "Search"), form, this.list);
    here([["j", "Next", () => step(this, 1)], ["k", "Previous", () => step(this, -1)], ["/", "Go to the box", () => this.box.focus()]]);
    this.box.focus();
  }

  #find(cursor = null) {
    const q = this.box.value.trim();
    if (!q) { this.items = []; return fill(this.list); }
    return this.draw(() => post("/search", { q, limit: 20, ...(cursor && { cursor }) }), (found) => {
      this.items = cursor ? [...this.items, ...found.items] : found.items;
      fill(this.list, this.items.length === 0 ? empty("Nothing found", "Try fewer words, or another spelling.") : [found.alike && h("p", { class: "hint" }, "Spelt alike, not exactly so:"),
        h("ul", { class: "rows" }, this.items.map((each) => requestRow({ emergency: null, referrals: [], ...each }))), found.next && button("Show more", () => this.#find(found.next), { class: "plain-button", data: { key: "more" } })]);
    }, this.list);
  }
}
customElements.define("fd-view-search", Search);
