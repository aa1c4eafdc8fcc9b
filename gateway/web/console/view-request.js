/* One request: the citizen's words, each need with all that can be done about it, and everything that happened. */
import { get, post } from "./api.js";
import { actsOf, actsOfRequest } from "./acts.js";
import { button, chip, fill, h } from "./dom.js";
import { ask, reason, tell } from "./dialog.js";
import { here } from "./keys.js";
import { follow } from "./live.js";
import { CHANNELS, DELIVERIES, FIELDS, actor, ended, happened, organisationName, person, serviceName, stateKind, stateName, works } from "./names.js";
import { ago, promise, until, when } from "./time.js";
import { View, toRequest } from "./view.js";

class Request extends View {
  begin() {
    this.reference = this.getAttribute("name");
    follow(this.signal, (event) => event.reference === this.reference, () => this.refresh(), 150);
    this.refresh();
  }

  refresh() {
    return this.draw(async () => {
      const request = await get(`/requests/${encodeURIComponent(this.reference)}`);
      this.reference = request.reference;
      const more = works() ? await Promise.all([get(`/requests/${request.reference}/context`).catch(() => null), get(`/requests/${request.reference}/explanation`).catch(() => null)]) : [null, null];
      return [request, ...more];
    }, ([request, context, why]) => this.#show(request, context, why));
  }

  #show(request, context, why) {
    const again = () => this.refresh(), acts = actsOfRequest(request, again), able = works();
    const open = new Set([...this.querySelectorAll("details[open]")].map((each) => each.dataset.name));
    const needs = request.referrals.map((need) => this.#need(request, need, again));
    fill(this,
      h("div", { class: "request-head" }, h("h1", { tabindex: "-1", class: "reference" }, request.reference),
        h("p", {}, `${CHANNELS[request.channel] ?? request.channel}, `, ago(request.created_at), `, taken by ${person(request.created_by)} `,
          request.tags.map((each) => [chip(each, "tag"), " "]), request.emergency && chip(`Emergency: ${serviceName(request.emergency)}`, "bad"))),
      able && h("div", { class: "row acts", role: "group", "aria-label": "This request" },
        [["Reply…", acts.reply, "reply"], ["Note…", acts.note, "note"], ["Call-back…", acts.callBack, "call"], ["Add a need…", acts.add, "add"], ["Tags…", acts.tags, "tags"], ["Link…", acts.link, "link"]]
          .map(([text, run, key]) => button(text, run, { class: "plain-button", data: { key } }))),
      h("div", { class: "beside" }, h("div", {},
        h("section", { class: "panel", "aria-labelledby": "words" }, h("h2", { id: "words" }, "In their words"), h("blockquote", {}, request.text)),
        needs, this.#messages(request), this.#timeline(request)),
      h("div", { class: "side" }, this.#citizen(request), this.#calls(request, acts), this.#context(context), this.#links(request, acts), this.#why(why))));
    for (const each of this.querySelectorAll("details")) if (open.has(each.dataset.name)) each.open = true;
    if (able) {
      const first = request.referrals.find((each) => !ended(each.state)) ?? request.referrals[0];
      const one = first && actsOf(request, first, again);
      here([["r", "Reply to the citizen", acts.reply], ["i", "Write a note", acts.note], ["b", "Book a call-back", acts.callBack],
        ...(one ? [["m", "Claim or let go", first.claimed_by === actor() && new Date(first.claimed_until) > new Date() ? one.release : one.claim],
          ["s", "Change the service", () => one.service()], ["d", "Send it elsewhere", one.route], ["e", "Resolve", one.resolve]] : [])]);
    }
  }

  #need(request, need, again) {
    const acts = actsOf(request, need, again), over = ended(need.state), held = need.claimed_until && new Date(need.claimed_until) > new Date();
    const mine = held && need.claimed_by === actor(), offered = need.offered_until && new Date(need.offered_until) > new Date() && need.offered_to === actor();
    const act = (text, name, props = {}) => button(text, () => acts[name](), { class: "plain-button", data: { key: `${need.referral_id}-${name}` }, ...props });
    const waits = need.clock?.paused_at && !need.clock.ended_at;
    const main = over ? [need.state !== "signposted" && act("Reopen…", "reopen")] : [
      offered && [act("Accept the transfer", "acceptOffer", { class: "primary" }), act("Decline", "declineOffer")],
      mine ? [act("Let go", "release"), act("Keep longer", "renew")] : !held && act("Claim", "claim"),
      need.state === "triage" && need.service && act(`Accept: ${serviceName(need.service)}`, "accept", { class: "primary" }),
      act("Change service…", "service"), act("Send elsewhere…", "route"), act("Resolve…", "resolve")];
    return h("section", { class: `panel need ${need.priority}`, "aria-labelledby": `need-${need.part}` },
      h("div", { class: "need-head" }, h("h2", { id: `need-${need.part}` }, serviceName(need.service)), chip(stateName(need.state), stateKind(need.state)),
        need.priority !== "normal" && chip(need.priority, need.priority === "safeguarding" ? "bad" : "warn")),
      h("p", {}, need.merged_into ? "Merged into another need. " : need.organisation ? `With ${organisationName(need.organisation)}. ` : "With nobody yet. ",
        held && h("span", { class: mine ? "lease mine" : "lease" }, mine ? "Yours, " : `${person(need.claimed_by)} works on it, `, until(need.claimed_until)),
        need.assigned_to && !held && ` For ${person(need.assigned_to)}.`, need.skill && ` For ${need.skill}.`),
      request.referrals.length > 1 && h("p", { class: "quote" }, need.text),
      this.#clock(need, waits),
      works() && need.state === "triage" && this.#which(request, need, acts),
      works() && h("div", { class: "row acts", role: "group", "aria-label": `Need ${need.part}` }, main),
      works() && !over && h("details", { data: { name: `more-${need.part}` } }, h("summary", {}, "More"), h("div", { class: "row acts" },
        act("Warm transfer…", "offer"), act("Hand over…", "handOver"), act("Split…", "split"), act("Merge…", "merge"), waits ? act("Clock goes on", "goOn") : act("Pause the clock…", "wait"), act("Not needed…", "cancel"))),
      need.deliveries.length > 0 && h("details", { data: { name: `deliveries-${need.part}` }, open: need.deliveries.some((each) => ["dead", "uncertain"].includes(each.state)) }, h("summary", {}, `Hand-overs (${need.deliveries.length})`),
        h("ul", { class: "plain-list" }, need.deliveries.map((each) => this.#delivery(each, again)))));
  }

  /** What the door thought of: one press in triage. */
  #which(request, need, acts) {
    const part = request.decision.parts?.find((each) => each.text === need.text) ?? request.decision.parts?.[need.part - 1];
    const likely = (part?.alternatives ?? []).slice(0, 5);
    return likely.length > 0 && h("div", { class: "others" }, part.question && h("p", { class: "say" }, h("strong", {}, "Ask: "), part.question), h("p", { class: "hint" }, "It may be:"),
      h("div", { class: "row" }, likely.map((each) => button(`${serviceName(each.service)}, ${Math.round(each.confidence * 100)} %`, () => acts.service(each.service), { class: "pick", data: { key: `${need.referral_id}-${each.service}` } }))));
  }

  #clock(need, waits) {
    const clock = need.clock;
    if (!clock || clock.ended_at || ended(need.state)) return null;
    const one = (label, by, at) => by && (at ? h("li", {}, chip(`${label}: kept`, "good")) : h("li", {}, promise(by, `${label} due`)));
    return h("ul", { class: "clocks", "aria-label": "What was promised" }, waits && h("li", {}, chip("Clock paused: waits for the citizen", "warn")),
      one("Take up", clock.acknowledge_by, clock.acknowledged_at), one("Answer", clock.respond_by, clock.responded_at), one("Resolve", clock.resolve_by, null));
  }

  #delivery(each, again) {
    const stuck = works() && ["dead", "uncertain"].includes(each.state);
    return h("li", {}, h("p", {}, h("strong", {}, organisationName(each.organisation)), `: ${DELIVERIES[each.state] ?? each.state}`, each.role !== "lead" && ` (${each.role})`, ", ", ago(each.updated_at),
      each.external_reference && [", theirs: ", h("code", {}, each.external_reference)], each.external_status && `, says ${each.external_status}`),
    each.attempts.length > 0 && h("ol", { class: "attempts" }, each.attempts.map((one) => h("li", {}, `${when(one.started_at)}: ${one.outcome}${one.status ? ` (${one.status})` : ""}${one.detail ? `, ${one.detail}` : ""}`))),
    stuck && button("Send again…", () => resubmit(each, again), { class: "plain-button", data: { key: each.delivery_id } }));
  }

  #messages(request) {
    return request.messages.length > 0 && h("section", { class: "panel", "aria-labelledby": "written" }, h("h2", { id: "written" }, "Notes and messages"), h("ul", { class: "plain-list" },
      request.messages.map((each) => h("li", { class: `written ${each.kind}` }, h("p", { class: "hint" }, each.kind === "note" ? "Note by " : "To the citizen, by ", person(each.by), ", ", ago(each.at)), h("p", { class: "said" }, each.text)))));
  }

  #timeline(request) {
    const detail = (event) => ["organisation", "by", "reason", "to", "from", "note", "name", "message"].filter((each) => typeof event.detail[each] === "string" && event.detail[each])
      .map((each) => (each === "organisation" ? organisationName(event.detail[each]) : person(event.detail[each]))).join(": ");
    return h("section", { class: "panel", "aria-labelledby": "history" }, h("h2", { id: "history" }, "What happened"), h("ol", { class: "timeline" }, [...request.events].reverse().map((event) => h("li", {},
      h("p", {}, h("strong", {}, happened(event.kind)), " ", ago(event.at)), h("p", { class: "hint" }, `by ${person(event.actor)}`, detail(event) && `: ${detail(event)}`)))));
  }

  #citizen(request) {
    const entries = Object.entries(request.citizen).filter(([name]) => FIELDS[name]);
    return h("section", { class: "panel", "aria-labelledby": "citizen" }, h("h2", { id: "citizen" }, "Citizen"),
      h("dl", { class: "facts" }, entries.map(([name, value]) => h("div", {}, h("dt", {}, FIELDS[name]), h("dd", {}, String(value)))), request.postcode && h("div", {}, h("dt", {}, "Postcode"), h("dd", {}, request.postcode))),
      entries.length === 0 && !request.postcode && h("p", { class: "hint" }, "Nothing was told."), request.masked.length > 0 && h("p", { class: "hint" }, `Not shown to you: ${request.masked.join(", ")}`));
  }

  #calls(request, acts) {
    const open = request.call_backs.filter((each) => !each.done_at);
    return open.length > 0 && h("section", { class: "panel", "aria-labelledby": "calls" }, h("h2", { id: "calls" }, "Call-backs"), h("ul", { class: "plain-list" }, open.map((each) => h("li", {},
      h("p", {}, h("strong", {}, each.phone ?? "no number"), " ", when(each.due_at), " ", promise(each.due_at)), each.note && h("p", { class: "quote" }, each.note),
      works() && button("I called…", () => acts.finishCall(each), { class: "plain-button", data: { key: each.call_back_id } })))));
  }

  #context(context) {
    if (!context || (context.earlier.length === 0 && !context.nearby.some((each) => each.in_sector))) return null;
    return h("section", { class: "panel", "aria-labelledby": "known" }, h("h2", { id: "known" }, "Known already"),
      context.nearby.filter((each) => each.in_sector).map((each) => h("p", { class: "street" }, h("strong", {}, `${each.in_sector} ${each.in_sector === 1 ? "other" : "others"} nearby`), ` reported ${serviceName(each.service)}; ${each.open} still open.`)),
      h("ul", { class: "plain-list" }, context.earlier.map((each) => h("li", {}, toRequest(each.reference), " ", ago(each.created_at), h("p", { class: "quote" }, each.text)))));
  }

  #links(request, acts) {
    if (!request.links.length && !request.same.length) return null;
    return h("section", { class: "panel", "aria-labelledby": "linked" }, h("h2", { id: "linked" }, "Belongs together"), h("ul", { class: "plain-list" },
      request.same.map((each) => h("li", {}, toRequest(each.reference), " the same need, ", stateName(each.state).toLowerCase())),
      request.links.map((each) => h("li", {}, toRequest(each.reference), ` ${each.reason} `, works() && button("Unlink", () => acts.unlink(each.reference), { class: "link", "aria-label": `Unlink ${each.reference}` })))));
  }

  #why(why) {
    return why && h("section", { class: "panel", "aria-labelledby": "why" }, h("h2", { id: "why" }, "Why it was decided so"), h("ul", { class: "why" }, why.sentences.map((each) => h("li", {}, each))));
  }
}
customElements.define("fd-view-request", Request);

/** Send a delivery again that was given up, or say that it arrived. */
export function resubmit(delivery, again) {
  return ask({ title: `Hand-over to ${organisationName(delivery.organisation)}`, act: "Do it", fields: [{ name: "what", label: "What", kind: "select", options: [["replay", delivery.state === "uncertain" ? "It did not arrive: send it again" : "Send it again"],
    ["arrived", "It arrived after all"]] }, { name: "external_reference", label: "Their own reference, if it arrived", max: 200 }, reason()],
  submit: async ({ what, external_reference: theirs, reason: why }) => {
    await post(`/deliveries/${delivery.delivery_id}/${what}`, { reason: why, ...(what === "arrived" && theirs && { external_reference: theirs }) });
    tell(what === "replay" ? "On its way again." : "Kept as arrived.");
    again();
  } });
}
