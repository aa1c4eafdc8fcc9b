/* Every request, newest first. */
import { get, query } from "./api.js";
import { button, chip, empty, field, fill, h } from "./dom.js";
import { here, step } from "./keys.js";
import { CHANNELS, STATES, organisationName, serviceName, stateKind, stateName } from "./names.js";
import { ago } from "./time.js";
import { View, toRequest } from "./view.js";

/** A request in a list. */
export const requestRow = (each, more = null) => h("li", { class: "row-card", data: { key: each.reference } },
  h("div", { class: "row-main" }, h("p", { class: "row-head" }, toRequest(each.reference, { data: { row: "" } }), " ", each.emergency && chip("Emergency", "bad")), h("p", { class: "row-text" }, each.text),
    each.referrals.map((one) => h("p", {}, chip(stateName(one.state), stateKind(one.state)), ` ${serviceName(one.service)}${one.organisation ? `, ${organisationName(one.organisation)}` : ""}`))),
  h("div", { class: "row-meta" }, h("p", {}, ago(each.created_at)), h("p", {}, CHANNELS[each.channel] ?? each.channel), more));

class Requests extends View {
  begin() {
    this.items = [];
    this.list = h("div");
    this.state = "";
    fill(this, h("h1", { tabindex: "-1" }, "All requests"), field("With a need that is", (id) => h("select", { id, on: { change: (event) => { this.state = event.target.value; this.items = []; this.more(null); } } },
      [["", "In any state"], ...Object.entries(STATES).map(([code, [name]]) => [code, name])].map(([code, name]) => h("option", { value: code }, name)))), this.list);
    here([["j", "Next", () => step(this, 1)], ["k", "Previous", () => step(this, -1)]]);
    this.more(null);
  }

  more(cursor) {
    return this.draw(() => get(`/requests${query({ cursor, state: this.state, limit: 50 })}`), (page) => {
      this.items.push(...page.items);
      fill(this.list, this.items.length === 0 && empty("Nothing here"), h("ul", { class: "rows" }, this.items.map((each) => requestRow(each))),
        page.next && button("Show older", () => this.more(page.next), { class: "plain-button", data: { key: "older" } }));
    }, this.list);
  }
}
customElements.define("fd-view-requests", Requests);
