/* Every safeguarding alarm that rings, with who has it. */
import { get } from "./api.js";
import { answer } from "./alarm-bar.js";
import { button, empty, fill, h } from "./dom.js";
import { follow } from "./live.js";
import { organisationName, serviceName } from "./names.js";
import { ago } from "./time.js";
import { View, toRequest } from "./view.js";

class Alarms extends View {
  begin() {
    this.list = h("div");
    fill(this, h("h1", { tabindex: "-1" }, "Safeguarding alarms"), h("p", { class: "lead" }, "Each rings, and goes further up, until a named person answers."), this.list);
    window.addEventListener("alarms", () => this.refresh(), { signal: this.signal });
    follow(this.signal, (event) => event.priority === "safeguarding" || event.kind.startsWith("alarm"), () => this.refresh());
    this.refresh();
  }

  refresh() {
    return this.draw(() => get("/alarms"), (found) => fill(this.list, found.length === 0 ? empty("Nothing rings", "Somebody has every alarm.")
      : h("ul", { class: "rows" }, found.map((each) => h("li", { class: "row-card safeguarding", data: { key: each.referral_id } },
        h("div", { class: "row-main" }, h("p", { class: "row-head" }, toRequest(each.reference, { data: { row: "" } }), " ", serviceName(each.service)), h("p", {}, `with ${organisationName(each.organisation)}`)),
        h("div", { class: "row-meta" }, h("p", {}, ago(each.opened_at, "since")), h("p", {}, `raised ${each.rung} times`)),
        h("div", { class: "row-acts" }, button("Answer", () => answer(each), { class: "danger", "aria-label": `Answer ${each.reference}` })))))), this.list);
  }
}
customElements.define("fd-view-alarms", Alarms);
