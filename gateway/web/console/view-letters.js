/* Hand-overs that no machine can bring further: sent again one by one, or all of an organisation's. */
import { get, post, query } from "./api.js";
import { button, chip, empty, fill, h } from "./dom.js";
import { ask, reason, tell } from "./dialog.js";
import { here, step } from "./keys.js";
import { follow } from "./live.js";
import { organisationName, serviceName } from "./names.js";
import { ago } from "./time.js";
import { View, toRequest } from "./view.js";
import { resubmit } from "./view-request.js";

class Letters extends View {
  begin() {
    this.list = h("div");
    fill(this, h("h1", { tabindex: "-1" }, "Not delivered"), h("p", { class: "lead" }, "Out of attempts, or perhaps arrived: a person decides. Oldest first."), this.list);
    follow(this.signal, () => true, () => this.refresh(), 1000);
    here([["j", "Next", () => step(this, 1)], ["k", "Previous", () => step(this, -1)], ["r", "Read the list again", () => this.refresh()]]);
    this.refresh();
  }

  refresh() { return this.draw(() => get(`/deliveries${query({ limit: 200 })}`), (page) => this.#show(page), this.list); }

  #show({ items, next }) {
    const dead = [...new Set(items.filter((each) => each.state === "dead").map((each) => each.organisation))];
    fill(this.list, items.length === 0 && empty("Everything has arrived", "What cannot be delivered shows here by itself."),
      dead.length > 0 && h("div", { class: "row acts", role: "group", "aria-label": "By organisation" }, dead.map((each) => button(`Send all of ${organisationName(each)} again…`, () => this.#all(each), { class: "plain-button", data: { key: `all-${each}` } }))),
      h("ul", { class: "rows" }, items.map((each) => h("li", { class: "row-card", data: { key: each.delivery_id } },
        h("div", { class: "row-main" }, h("p", { class: "row-head" }, each.reference && toRequest(each.reference, { data: { row: "" } }), " ", chip(each.state === "dead" ? "Not delivered" : "May have arrived", each.state === "dead" ? "bad" : "warn"), " ",
          each.service ? serviceName(each.service) : "Notice"), h("p", { class: "row-text" }, `${organisationName(each.organisation)}: ${each.detail ?? each.last_outcome ?? "no word"}`)),
        h("div", { class: "row-meta" }, h("p", {}, ago(each.updated_at)), h("p", {}, each.attempt === 1 ? "1 attempt" : `${each.attempt} attempts`)),
        h("div", { class: "row-acts" }, button("Decide…", () => resubmit(each, () => this.refresh()), { "aria-label": `Decide about ${each.reference}` }))))),
      next && h("p", { class: "hint" }, "There are more: these come first."));
  }

  #all(organisation) {
    return ask({ title: `Send all of ${organisationName(organisation)} again`, act: "Send them", fields: [reason()],
      submit: async (values) => { const { replayed } = await post(`/organisations/${organisation}/replay`, values); tell(`${replayed} on their way again.`); this.refresh(); } });
  }
}
customElements.define("fd-view-letters", Letters);
