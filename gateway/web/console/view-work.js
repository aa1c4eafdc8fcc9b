/* The lists of work: what waits for a decision, what is mine, what was promised for soon; with claims, and several at once. */
import { call, get, post, query } from "./api.js";
import { button, chip, empty, field, fill, h } from "./dom.js";
import { ask, organisations, reason, services, tell } from "./dialog.js";
import { onRow } from "./fresh.js";
import { here, step } from "./keys.js";
import { follow } from "./live.js";
import { CHANNELS, actor, groups, known, organisationName, person, serviceName, stateKind, stateName } from "./names.js";
import { ago, promise, until } from "./time.js";
import { View, go, toRequest } from "./view.js";

const QUEUES = [["people", "All for people"], ["triage", "Triage"], ["mine", "Mine"], ["due", "Due soon"], ["claimed", "Being worked on"], ["organisation", "One organisation's"]];

class Work extends View {
  #chosen = new Map();

  begin() {
    const wanted = new URLSearchParams(location.search);
    this.filters = { queue: "people", skill: "", organisation: "", service: "", priority: "", state: "", tag: "", free: "", due_within: "", ...Object.fromEntries(wanted) };
    this.older = [];
    this.lists = h("div", { class: "work-list" });
    this.tabs = h("nav", { class: "tabs", "aria-label": "Lists of work" });
    this.bulk = h("div", { class: "bulk", role: "group", "aria-label": "With those chosen" });
    this.viewsPlace = h("div", { class: "saved" });
    fill(this, h("h1", { tabindex: "-1" }, "Work"), this.tabs, this.#filterForm(), this.viewsPlace, this.bulk, this.lists);
    here([["j", "Next", () => step(this, 1)], ["k", "Previous", () => step(this, -1)], ["m", "Claim or let go of this one", () => this.#claimHere()],
      ["x", "Choose this one", () => this.#chooseHere()], ["r", "Read the list again", () => this.refresh()]]);
    follow(this.signal, () => true, () => this.refresh(), 800);
    this.refresh();
    this.#views();
  }

  #filterForm() {
    const change = (name) => (event) => { this.filters[name] = event.target.type === "checkbox" ? (event.target.checked ? "true" : "") : event.target.value; this.#apply(); };
    const select = (name, label, options) => field(label, (id) => h("select", { id, on: { change: change(name) } },
      [["", "Any"], ...options].map(([code, text]) => h("option", { value: code, selected: this.filters[name] === code }, text))));
    const skills = [...groups().map((each) => [`group:${each}`, `Group: ${each.replaceAll("-", " ")}`]), ...organisations().map(([code, name]) => [`organisation:${code}`, name])];
    const free = h("div", { class: "field check" }, h("label", { for: "free" }, "Only what nobody has"), h("input", { type: "checkbox", id: "free", checked: this.filters.free === "true", on: { change: change("free") } }));
    return h("details", { class: "filters", open: innerWidth > 900 }, h("summary", {}, "Filter"), h("div", { class: "columns filter-row" },
      select("skill", "Skill", skills),
      this.filters.queue === "organisation" && select("organisation", "Organisation", organisations()),
      select("service", "Service", services()),
      select("priority", "Priority", [["safeguarding", "Safeguarding"], ["urgent", "Urgent"], ["normal", "Normal"]]),
      select("state", "State", ["triage", "undeliverable", "uncertain", "rejected", "routed", "delivered", "in_progress"].map((each) => [each, stateName(each)])),
      field("Tag", (id) => h("input", { id, type: "text", value: this.filters.tag, maxlength: 40, on: { change: change("tag") } })),
      this.filters.queue === "due" && select("due_within", "Due within", [["60", "An hour"], ["240", "4 hours"], ["1440", "A day"], ["10080", "A week"]]),
      free, h("div", { class: "field" }, button("Save this view…", () => this.#save(), { class: "plain-button" }))));
  }

  #apply() { go(`/console/work${query(this.filters)}`); }

  refresh() {
    if (this.filters.queue === "organisation" && !this.filters.organisation) {
      this.filters.organisation = known.organisations.keys().next().value;
    }
    const asked = { ...this.filters };
    if (asked.queue !== "organisation") delete asked.organisation;
    if (asked.queue !== "due") delete asked.due_within;
    if (asked.queue === "triage") delete asked.state;
    this.#tabs();
    return this.draw(async () => {
      let page = await get(`/worklist${query({ ...asked, limit: 50 })}`);
      const items = [...page.items], calls = page.call_backs;
      for (let more = 0; more < this.older.length && page.next; more += 1) {
        page = await get(`/worklist${query({ ...asked, limit: 50, cursor: page.next })}`);
        items.push(...page.items);
      }
      return { items, calls, next: page.next };
    }, (found) => this.#show(found), this.lists);
  }

  async #tabs() {
    const link = (queue, text, count) => h("a", { href: `/console/work${query({ queue })}`, "aria-current": queue === this.filters.queue ? "true" : null }, text,
      count > 0 && h("span", { class: "count" }, String(count)));
    const found = this.counts ?? {};
    fill(this.tabs, QUEUES.map(([queue, text]) => link(queue, text, found[queue])));
    try {
      const { queues } = await get("/queues");
      this.counts = Object.fromEntries(queues.map((each) => [each.queue, each.count]));
      if (!this.signal.aborted) fill(this.tabs, QUEUES.map(([queue, text]) => link(queue, text, this.counts[queue])));
    } catch { /* the list itself says what is wrong */ }
  }

  #show({ items, calls, next }) {
    this.items = items;
    const there = new Set(items.map((each) => each.referral_id));
    for (const id of this.#chosen.keys()) if (!there.has(id)) this.#chosen.delete(id);
    for (const each of items) if (this.#chosen.has(each.referral_id)) this.#chosen.set(each.referral_id, each);
    fill(this.lists,
      calls.length > 0 && h("section", { class: "panel" }, h("h2", {}, "Call back now"), h("ul", { class: "plain-list" }, calls.map((each) => h("li", { data: { key: each.call_back_id } },
        h("strong", {}, each.phone ?? "no number"), " ", toRequest(each.reference), " ", promise(each.due_at), each.note && h("p", { class: "quote" }, each.note))))),
      items.length === 0 ? empty("Nothing waits here", "New work shows by itself.") : h("ul", { class: "rows", "aria-label": "Work, safeguarding first, then urgent, then the oldest" }, items.map((each) => this.#row(each))),
      next && button("Show older", () => { this.older.push(next); this.refresh(); }, { class: "plain-button", data: { key: "older" } }));
    this.#bulk();
  }

  #row(work) {
    const mine = work.claimed_by === actor();
    const offered = work.offered_to === actor();
    const box = h("input", { type: "checkbox", "aria-label": `Choose ${work.reference}, need ${work.part}`, checked: this.#chosen.has(work.referral_id), data: { act: "choose" },
      on: { change: (event) => { if (event.target.checked) this.#chosen.set(work.referral_id, work); else this.#chosen.delete(work.referral_id); this.#bulk(); } } });
    return h("li", { class: `row-card ${work.priority}`, data: { key: work.referral_id } }, h("div", { class: "row-box" }, box),
      h("div", { class: "row-main" }, h("p", { class: "row-head" }, toRequest(work.reference, { data: { row: "" } }), " ", h("span", { class: "row-service" }, serviceName(work.service)), " ",
        work.priority !== "normal" && chip(work.priority, work.priority === "safeguarding" ? "bad" : "warn"), " ", chip(stateName(work.state), stateKind(work.state)),
        work.tags.map((each) => [" ", chip(each, "tag")])),
      h("p", { class: "row-text" }, work.text)),
      h("div", { class: "row-meta" }, h("p", {}, ago(work.created_at, "came"), ` by ${(CHANNELS[work.channel] ?? work.channel).toLowerCase()}`),
        h("p", {}, work.organisation ? `with ${organisationName(work.organisation)}` : work.skill ? `for ${work.skill}` : ""),
        work.waits_for_citizen ? h("p", {}, chip("Waits for the citizen", "quiet")) : work.next_due && h("p", {}, promise(work.next_due)),
        work.claimed_by && h("p", { class: mine ? "lease mine" : "lease" }, mine ? "Yours, " : `${person(work.claimed_by)} has it, `, until(work.claimed_until)),
        offered && h("p", {}, chip("Offered to you", "warn"))),
      h("div", { class: "row-acts" }, offered ? button("Accept", () => this.#do(work, "offer/accept"), { data: { act: "accept" } })
        : mine ? button("Let go", () => this.#do(work, "release"), { data: { act: "claim" } })
          : !work.claimed_by && button("Claim", () => this.#do(work, "claim"), { data: { act: "claim" }, "aria-label": `Claim ${work.reference}` })));
  }

  async #do(work, what) {
    try {
      await onRow(work, (version) => post(`/referrals/${work.referral_id}/${what}`, {}, { version }));
      tell(`${work.reference}: ${what === "claim" ? "yours for 15 minutes" : what === "release" ? "let go" : "accepted"}.`);
    } catch (error) {
      tell([`${work.reference}: ${error.words ?? error}`, ...(error.lines ?? [])].join(" "), "bad");
    }
    this.refresh();
  }

  #here() {
    const id = document.activeElement?.closest("[data-key]")?.dataset.key;
    return this.items?.find((each) => each.referral_id === id);
  }

  #claimHere() {
    const work = this.#here();
    if (work) this.#do(work, work.claimed_by === actor() ? "release" : "claim");
  }

  #chooseHere() { document.activeElement?.closest("[data-key]")?.querySelector("input[type=checkbox]")?.click(); }

  #bulk() {
    const count = this.#chosen.size;
    const act = (text, action, fields) => button(text, () => this.#many(text, action, fields), { class: "plain-button", data: { key: `bulk-${action}` } });
    fill(this.bulk, count > 0 && [h("p", {}, `${count} chosen`), act("Claim", "claim"), act("Let go", "release"),
      act("Set service…", "service", [{ name: "service", label: "Service", kind: "service", options: services(), required: true }, reason()]),
      act("Send to…", "route", [{ name: "organisation", label: "Organisation", kind: "organisation", options: organisations(), required: true }, reason()]),
      act("Resolve…", "resolve", [reason()]), act("Cancel…", "cancel", [reason()]),
      button("Choose none", () => { this.#chosen.clear(); this.refresh(); }, { class: "link", data: { key: "bulk-none" } })]);
  }

  async #many(text, action, fields) {
    const items = [...this.#chosen.values()].map((each) => ({ referral_id: each.referral_id, version: each.version }));
    const send = async (values) => {
      const { done, results } = await post("/bulk", { action, items, ...values });
      const wrong = results.filter((each) => each.status !== 200);
      const of = new Map([...this.#chosen.values()].map((each) => [each.referral_id, each.reference]));
      tell(`${done} of ${items.length} done.`);
      for (const each of wrong.slice(0, 5)) tell(`${of.get(each.referral_id)}: ${each.status === 412 ? "it changed meanwhile, look at it again" : each.problem.detail}`, "bad");
      const left = new Set(wrong.map((each) => each.referral_id)); // stay chosen: pressing again goes by what the list shows then
      for (const id of [...this.#chosen.keys()]) if (!left.has(id)) this.#chosen.delete(id);
      this.refresh();
    };
    if (fields) await ask({ title: `${text.replace("…", "")}: ${items.length} needs`, act: "Do it", fields, submit: send });
    else await send({}).catch((error) => tell(error.words, "bad"));
  }

  async #views() {
    const found = (await get("/views").catch(() => [])).filter((each) => each.list === "worklist");
    if (this.signal.aborted) return;
    fill(this.viewsPlace, found.length > 0 && [h("h2", { class: "inline" }, "Saved views"), h("ul", {}, found.map((each) => h("li", {},
      h("a", { href: `/console/work${query(each.query)}` }, each.name), each.shared && h("span", { class: "quiet" }, " shared"),
      each.owner === actor() && button("Forget", () => this.#forget(each), { class: "link", "aria-label": `Forget ${each.name}` }))))]);
  }

  async #forget(view) {
    await call("DELETE", `/views/${view.view_id}`).catch((error) => tell(error.words, "bad"));
    this.#views();
  }

  #save() {
    const kept = Object.fromEntries(Object.entries(this.filters).filter(([, value]) => value !== ""));
    return ask({ title: "Save this view", fields: [{ name: "name", label: "Name", required: true, max: 80 }, { name: "shared", label: "Share with colleagues", kind: "checkbox" }],
      submit: async ({ name, shared }) => { await post("/views", { name, shared, list: "worklist", query: kept }); tell("View saved."); this.#views(); } });
  }
}
customElements.define("fd-view-work", Work);
