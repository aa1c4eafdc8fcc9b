/* Taking a call: the citizen's words, what the door makes of them as they are typed, who they are, and the reference to read out. */
import { keyOf, post } from "./api.js";
import { announce, button, chip, empty, field, fill, h } from "./dom.js";
import { tell } from "./dialog.js";
import { here } from "./keys.js";
import { CHANNELS, FIELDS, organisationName, serviceName, stateKind, stateName } from "./names.js";
import { ago } from "./time.js";
import { View, go, toRequest } from "./view.js";

const PAUSE = 120; // milliseconds after the last key until the door is asked

class Call extends View {
  #asked = null;
  #knownFor = "";
  #chosen = null;
  #key = crypto.randomUUID();

  begin() {
    const text = (name, props = {}) => (id, described) => (this[name] = h("input", { id, type: "text", autocomplete: "off", "aria-describedby": described, ...props }));
    this.suggestions = h("section", { class: "panel", "aria-labelledby": "suggested" });
    this.danger = h("div", { role: "alert" });
    this.context = h("section", { class: "panel", "aria-label": "What is known already" });
    this.wrong = h("div", { role: "alert" });
    this.form = h("form", { novalidate: true, class: "call", on: { submit: (event) => { event.preventDefault(); this.#send(); } } },
      field("What do they need? Type their words.", (id) => (this.words = h("textarea", { id, rows: 5, maxlength: 10000, spellcheck: "true" }))),
      h("div", { class: "columns" },
        field("Postcode", text("postcode", { maxlength: 10, class: "short" }), "Of where it is about."),
        field("Channel", (id) => (this.channel = h("select", { id }, ["phone", "in-person", "email", "web"].map((each) => h("option", { value: each }, CHANNELS[each])))))),
      h("fieldset", {}, h("legend", {}, "Who is calling?"),
        h("div", { class: "columns" },
          field("Name", text("citizen_name", { maxlength: 200 })), field("Phone", text("phone", { maxlength: 30, inputmode: "tel" })),
          field("E-mail", text("email", { maxlength: 254, inputmode: "email" })), field("Address", text("address", { maxlength: 500 }))),
        h("details", {}, h("summary", {}, "More details"), h("div", { class: "columns" },
          field("Date of birth", text("date_of_birth", { type: "date" })), field("NHS number", text("nhs_number", { maxlength: 12 })),
          field("National Insurance number", text("national_insurance_number", { maxlength: 13 })),
          field("Age", text("age", { type: "number", min: 0, max: 130, class: "short" })),
          field("Language", text("language", { maxlength: 12, class: "short" }), "Its code, such as cy or pl, where it is not English."),
          field("Notes", text("notes", { maxlength: 2000 }))))),
      this.wrong,
      h("div", { class: "row" }, h("button", { type: "submit", class: "primary" }, "Send"), button("Start anew", () => this.#anew(), { class: "plain-button" }),
        h("p", { class: "hint" }, h("kbd", {}, "Ctrl"), " + ", h("kbd", {}, "Enter"), " sends")));
    this.words.addEventListener("input", () => this.#soon());
    this.postcode.addEventListener("input", () => { this.#soon(); this.#look(); });
    for (const each of [this.phone, this.email, this.address]) each.addEventListener("change", () => this.#look());
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.#send(); }
    });
    fill(this, h("h1", { tabindex: "-1" }, "Take a call"), this.danger, h("div", { class: "beside" }, this.form, h("div", { class: "side" }, this.suggestions, this.context)));
    this.#suggest(null);
    this.#showContext(null);
    here([["e", "Go to the words", () => this.words.focus()]]);
    this.words.focus();
  }

  #soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#decide(), PAUSE);
  }

  async #decide() {
    const text = this.words.value.trim();
    this.#asked?.abort();
    if (!text) { this.#chosen = null; return this.#suggest(null); }
    this.#asked = new AbortController();
    const began = performance.now();
    try {
      const found = await post("/decide", { text, channel: this.channel.value, postcode: this.postcode.value.trim().slice(0, 10) || null,
        service: this.#chosen }, { signal: AbortSignal.any([this.#asked.signal, this.signal]) });
      this.dataset.suggestedIn = String(Math.round(performance.now() - began));
      this.#suggest(found);
      this.#look(found);
    } catch (error) {
      if (error.name !== "AbortError") fill(this.suggestions, h("h2", { id: "suggested" }, "Suggestions"), h("p", {}, error.words));
    }
  }

  #suggest(found) {
    const emergency = found?.emergency;
    fill(this.danger, emergency && h("section", { class: "danger-words", "aria-label": "Say this first" }, h("h2", {}, "Say this first"), h("p", {}, emergency.words),
      h("p", { class: "why" }, `Because of: ${emergency.evidence.slice(0, 3).join(", ") || serviceName(emergency.service)}`)));
    if (!found) {
      return fill(this.suggestions, h("h2", { id: "suggested" }, "Suggestions"), empty("Nothing typed yet", "What the door understands shows here as you type."));
    }
    fill(this.suggestions, h("h2", { id: "suggested" }, found.parts.length > 1 ? `${found.parts.length} needs` : "Suggestions"),
      found.language && h("p", {}, chip(`Language: ${found.language}`, "warn")),
      h("ol", { class: "needs" }, found.parts.map((each, number) => this.#need(each, number, found.parts.length))),
      h("details", {}, h("summary", {}, "Why"), h("ul", {}, found.explanation.map((each) => h("li", {}, each)))));
  }

  #need(part, number, many) {
    const chosen = this.#chosen !== null && many === 1;
    const others = part.alternatives.slice(0, 4);
    const pick = (service, name) => button(name, () => {
      this.#chosen = service;
      this.#decide();
      announce(`${name} chosen`);
    }, { class: "pick", data: { key: `pick-${service}` } });
    return h("li", {},
      many > 1 && h("p", { class: "quote" }, part.text),
      h("p", { class: "need-name" }, part.service_name ?? "Not sure yet", " ",
        part.priority !== "normal" && chip(part.priority, part.priority === "safeguarding" ? "bad" : "warn")),
      h("p", {}, part.action === "signpost" ? `Signpost: ${part.signpost?.name ?? ""}` : part.organisation ? `Goes to ${part.organisation_name ?? organisationName(part.organisation)}`
        : part.action === "triage" || part.action === "clarify" ? "Would wait in triage for a decision" : "No public service"),
      part.service && h("p", { class: "sure" }, h("meter", { min: 0, max: 1, value: part.confidence, "aria-label": "How sure" }), ` ${Math.round(part.confidence * 100)} % sure`),
      part.signpost && h("p", {}, part.signpost.say),
      part.question && h("p", { class: "say" }, h("strong", {}, "Ask: "), part.question),
      part.ask.length > 0 && h("p", {}, h("strong", {}, "It needs: "), part.ask.map((each) => FIELDS[each] ?? each.replaceAll("_", " ")).join(", ")),
      chosen && h("p", {}, chip("Chosen by you", "good"), " ", button("Let the door decide", () => { this.#chosen = null; this.#decide(); }, { class: "link", data: { key: "unpick" } })),
      !chosen && others.length > 0 && h("div", { class: "others" }, h("p", { class: "hint" }, many > 1 ? "Or it is:" : "Or pick:"),
        many > 1 ? h("p", {}, others.map((each) => each.service_name).join(", ")) : h("div", { class: "row" }, others.map((each) => pick(each.service, each.service_name)))));
  }

  async #look(preview = null) {
    if (preview) this.services = [...new Set(preview.parts.map((each) => each.service).filter(Boolean))].slice(0, 5);
    const who = { phone: this.phone.value.trim() || null, email: this.email.value.trim() || null, address: this.address.value.trim() || null,
      postcode: this.postcode.value.trim() || null, services: this.services ?? [] };
    const same = JSON.stringify(who);
    if (same === this.#knownFor) return;
    this.#knownFor = same;
    if (!who.phone && !who.email && !who.postcode) return this.#showContext(null);
    try {
      const found = await post("/context", who, { signal: this.signal });
      if (same === this.#knownFor) this.#showContext(found);
    } catch { this.#knownFor = ""; /* still being typed */ }
  }

  #showContext(found) {
    const street = (found?.nearby ?? []).filter((each) => each.in_sector > 0);
    fill(this.context, h("h2", {}, "Known already"),
      !found ? empty("Nobody yet", "Phone, e-mail or address show their earlier requests; the postcode shows the street.") : [
        street.map((each) => h("p", { class: "street" }, h("strong", {}, `${each.in_postcode} in this postcode, ${each.in_sector} nearby`), ` reported ${serviceName(each.service)} in the last 14 days; ${each.open} still open.`)),
        found.earlier.length === 0 && street.length === 0 && empty("Nothing before", "No earlier requests of this person, none like it in the street."),
        found.earlier.length > 0 && [h("h3", {}, `Earlier requests (same ${[...new Set(found.earlier.flatMap((each) => each.by))].join(", ")})`),
          h("ul", { class: "plain-list" }, found.earlier.map((each) => h("li", {}, toRequest(each.reference, { target: "_blank" }), " ", ago(each.created_at),
            h("p", { class: "quote" }, each.text), h("p", {}, each.referrals.map((one) => [chip(stateName(one.state), stateKind(one.state)), " ", serviceName(one.service), " "])))))]]);
  }

  async #send() {
    const value = (name) => this[name].value.trim() || undefined;
    const citizen = { name: value("citizen_name") };
    for (const name of ["phone", "email", "address", "date_of_birth", "nhs_number", "national_insurance_number", "language", "notes"]) citizen[name] = value(name);
    const body = { text: this.words.value.trim(), channel: this.channel.value, citizen, postcode: value("postcode"), service: this.#chosen ?? undefined,
      age: value("age") === undefined ? undefined : Number(value("age")) };
    if (!body.text) { this.words.focus(); return fill(this.wrong, h("div", { class: "wrong" }, h("p", {}, "Type what they need first."))); }
    const go = this.form.querySelector("[type=submit]");
    go.disabled = true;
    clearTimeout(this.timer);
    fill(this.wrong);
    try {
      // The same key while it is the same call: pressing twice, or again after a lost line, makes one request.
      this.#done(await post("/requests", body, { key: await keyOf(this.#key, body) }));
    } catch (error) {
      fill(this.wrong, h("div", { class: "wrong" }, h("p", {}, error.words ?? String(error))));
    } finally {
      go.disabled = false;
    }
  }

  #done(answer) {
    clearTimeout(this.timer);
    this.#asked?.abort();
    fill(this, h("h1", { tabindex: "-1" }, "Sent"),
      answer.words && h("section", { class: "danger-words", role: "alert" }, h("h2", {}, "Say this first"), h("p", {}, answer.words)),
      h("section", { class: "panel sent" }, h("p", {}, "The reference to read out:"), h("p", { class: "read-out" }, answer.reference),
        h("ol", { class: "needs" }, answer.parts.map((each) => h("li", {}, h("p", { class: "need-name" }, each.service_name ?? "For a person to decide", " ",
          each.state && chip(stateName(each.state), stateKind(each.state))), each.organisation_name && h("p", {}, `With ${each.organisation_name}`),
        each.signpost && h("p", { class: "say" }, each.signpost.say, each.signpost.phone && ` ${each.signpost.phone}`),
        each.tell && h("p", { class: "say" }, h("strong", {}, "Say: "), each.tell)))),
        h("div", { class: "row" }, h("a", { class: "big-link", href: `/console/request/${answer.reference}` }, "Watch it"), button("Next call", () => this.#anew(), { class: "plain-button" }))));
    this.querySelector("h1").focus();
    announce(`Sent. The reference is ${[...answer.reference].join(" ")}`);
    here([["n", "Next call", () => this.#anew()], ["v", "Watch it", () => go(`/console/request/${answer.reference}`)]]);
    tell(`${answer.reference} is stored and on its way.`);
  }

  #anew() {
    this.#key = crypto.randomUUID();
    this.#chosen = null;
    this.#knownFor = "";
    this.begin();
  }
}
customElements.define("fd-view-call", Call);
