/* How each organisation is: whether it answers, and what waits for it. */
import { get } from "./api.js";
import { chip, fill, h } from "./dom.js";
import { ago, span } from "./time.js";
import { View } from "./view.js";

const BREAKERS = { closed: ["Answers", "good"], "half-open": ["Being tried", "warn"], open: ["Does not answer", "bad"] };

class Organisations extends View {
  begin() {
    this.list = h("div");
    fill(this, h("h1", { tabindex: "-1" }, "Organisations"), h("p", { class: "lead" }, "Who answers, and what waits. Renewed every ten seconds."), this.list);
    const every = setInterval(() => this.refresh(), 10_000);
    this.signal.addEventListener("abort", () => clearInterval(every));
    this.refresh();
  }

  refresh() {
    return this.draw(() => get("/organisations/health"), (found) => {
      const worst = (each) => (each.breaker === "open" ? 2 : 0) + (each.dead + each.uncertain > 0 ? 1 : 0);
      fill(this.list, h("ul", { class: "cards" }, found.sort((one, other) => worst(other) - worst(one) || other.waiting - one.waiting || one.name.localeCompare(other.name)).map((each) => h("li", { class: "panel" },
        h("h2", {}, each.name), h("p", {}, !each.connected && each.protocol !== "worklist" ? chip("Not connected: its work is on the worklist", "warn") : each.protocol === "worklist" ? chip("People here", "quiet") : chip(...BREAKERS[each.breaker]),
          each.next_try !== null && each.breaker === "open" && ` tried again in ${span(each.next_try * 1000)}`),
        h("dl", { class: "facts" }, h("div", {}, h("dt", {}, "Waiting"), h("dd", {}, String(each.waiting), each.oldest && [", oldest ", ago(each.oldest)])),
          h("div", {}, h("dt", {}, "Not delivered"), h("dd", {}, each.dead + each.uncertain > 0 ? h("a", { href: "/console/letters" }, String(each.dead + each.uncertain)) : "0")),
          h("div", {}, h("dt", {}, "Protocol"), h("dd", {}, each.protocol)))))));
    }, this.list);
  }
}
customElements.define("fd-view-organisations", Organisations);
