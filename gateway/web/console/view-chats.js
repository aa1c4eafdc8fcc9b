/* The chat desk: who waits, the whole conversation, and the answer; one conversation at a time in this tab. */
import { get, post } from "./api.js";
import { button, chip, empty, field, fill, h } from "./dom.js";
import { tell } from "./dialog.js";
import { here, step } from "./keys.js";
import { known } from "./names.js";
import { ago } from "./time.js";
import { View, go, toRequest } from "./view.js";

const holds = new Map(); // conversation → the number of our taking it

class Chats extends View {
  begin() {
    this.which = this.getAttribute("name");
    this.list = h("div", { class: "chat-list" });
    this.talk = h("div", { class: "talk" });
    fill(this, h("h1", { tabindex: "-1" }, "Chat desk"), h("div", { class: "beside chats" }, this.list, this.talk));
    const every = setInterval(() => this.#read(), 4000);
    this.signal.addEventListener("abort", () => clearInterval(every));
    here([["j", "Next", () => step(this, 1)], ["k", "Previous", () => step(this, -1)]]);
    this.#read();
    if (this.which) this.#open();
    else fill(this.talk, empty("Pick a conversation", "Urgent ones are first, then who has waited longest."));
  }

  async #read() {
    try {
      const found = await get("/conversations");
      if (this.signal.aborted) return;
      fill(this.list, h("h2", {}, `Waiting and taken (${found.length})`), found.length === 0 ? empty("Nobody waits", "Who asks for a person shows here.") : h("ul", { class: "plain-list" }, found.map(({ conversation: one, words }) => h("li", { data: { key: one.conversation_id } },
        h("a", { href: `/console/chats/${one.conversation_id}`, data: { row: "" }, "aria-current": one.conversation_id === this.which ? "true" : null }, words || "No words yet"), " ", one.urgent && chip("Urgent", "bad"), " ",
        one.agent ? chip(one.agent, "quiet") : one.waiting_since && h("span", { class: "hint" }, ago(one.waiting_since, "waits since"))))));
    } catch (error) {
      if (error.words) fill(this.list, h("div", { class: "wrong" }, h("p", {}, error.words)));
    }
  }

  async #open() {
    try {
      const whole = await get(`/conversations/${this.which}`);
      if (this.signal.aborted) return;
      this.one = whole.conversation;
      this.messages = new Map(whole.messages.map((each) => [each.number, each]));
    } catch (error) {
      return fill(this.talk, h("div", { class: "wrong", role: "alert" }, h("p", {}, error.words ?? String(error))));
    }
    this.head = h("div", { class: "talk-head" });
    this.said = h("ol", { class: "said-list" });
    this.log = h("div", { class: "log", tabindex: "0", "aria-label": "Conversation", role: "log" }, this.said);
    this.acts = h("div");
    fill(this.talk, this.head, this.log, this.acts);
    this.#show();
    const source = new EventSource(`/api/v1/conversations/${this.which}/stream`);
    const take = (event) => { try { const one = JSON.parse(event.data); if (one.number) { this.messages.set(one.number, one); this.#say(); } } catch { /* not a message */ } };
    source.addEventListener("message", take);
    const every = setInterval(() => this.#again(), 5000);
    this.signal.addEventListener("abort", () => { source.close(); clearInterval(every); });
    return null;
  }

  async #again() {
    const hold = holds.get(this.which);
    try {
      if (hold !== undefined) this.one = await post(`/conversations/${this.which}/renew`, { hold });
      const whole = await get(`/conversations/${this.which}`);
      this.one = whole.conversation;
      for (const each of whole.messages) this.messages.set(each.number, each);
    } catch (error) {
      if (error.status === 409) { holds.delete(this.which); tell("This conversation is not yours any more.", "bad"); }
    }
    if (!this.signal.aborted) this.#show();
  }

  #show() {
    const one = this.one, hold = holds.get(this.which), mine = hold !== undefined && one.holder === "agent" && one.hold === hold;
    fill(this.head, h("h2", {}, one.agent ? `${one.agent} has it` : one.holder === "queue" ? "Waits for a person" : "With the helper"), one.urgent && chip("Urgent", "bad"), " ", one.closed_at && chip("Ended", "quiet"),
      h("p", { class: "hint" }, Object.entries(one.known).map(([name, value]) => `${name}: ${value}`).join(", ")), one.references.map((each) => [toRequest(each), " "]));
    this.#say();
    const state = `${mine} ${one.closed_at} ${one.holder}`;
    if (this.shown === state) return;
    this.shown = state;
    if (one.closed_at) return fill(this.acts);
    if (!mine) {
      this.name = h("input", { id: "my-name", type: "text", maxlength: 100, value: known.me.kind === "person" ? known.me.name : "" });
      return fill(this.acts, h("div", { class: "row" }, h("div", { class: "field" }, h("label", { for: "my-name" }, "Your name, as the citizen reads it"), this.name), button("Take it", () => this.#take(), { class: "primary" })));
    }
    fill(this.acts, h("form", { on: { submit: (event) => { event.preventDefault(); this.#write(); } } }, field("Your answer", (id) => (this.box = h("textarea", { id, rows: 3, maxlength: 4000, on: { keydown: (event) => {
      if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); this.#write(); } } } })), "Enter sends, Shift + Enter makes a new line."),
    h("div", { class: "row" }, h("button", { type: "submit", class: "primary" }, "Send"), button("Back to the queue", () => this.#end("give-back", { to: "queue" }), { class: "plain-button" }),
      button("Back to the helper", () => this.#end("give-back", { to: "door" }), { class: "plain-button" }), button("Close", () => this.#end("close", {}), { class: "plain-button" }))));
    this.box.focus();
  }

  #say() {
    const low = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60;
    const all = [...this.messages.values()].sort((one, other) => one.number - other.number);
    for (const each of all.slice(this.said.childElementCount)) {
      this.said.append(h("li", { class: `from-${each.author}` }, h("p", { class: "hint" }, each.author === "citizen" ? "Citizen" : each.author === "agent" ? each.said.name ?? "Agent" : "Helper", ", ", ago(each.at)),
        h("p", { class: "said" }, each.said.text), each.said.items?.length > 0 && h("ul", {}, each.said.items.map((item) => h("li", {}, item))),
        each.said.attachment && h("a", { href: `/api/v1/conversations/${this.which}/attachments/${each.said.attachment}`, target: "_blank", rel: "noopener" }, each.said.name ?? "Attachment")));
    }
    if (low) this.log.scrollTop = this.log.scrollHeight;
  }

  async #take() {
    try {
      this.one = await post(`/conversations/${this.which}/take`, { name: this.name.value.trim() });
      holds.set(this.which, this.one.hold);
      this.#show();
      this.#read();
    } catch (error) { tell(error.words, "bad"); }
  }

  async #write() {
    const text = this.box.value.trim();
    if (!text) return;
    if (this.writing?.text !== text) this.writing = { text, id: crypto.randomUUID() }; // the same words again after a lost line are said once
    try {
      const { messages } = await post(`/conversations/${this.which}/messages`, { hold: holds.get(this.which), client_id: this.writing.id, text });
      this.writing = null;
      this.box.value = "";
      for (const each of messages) this.messages.set(each.number, each);
      this.#say();
    } catch (error) { tell(error.words, "bad"); }
  }

  async #end(what, body) {
    try {
      await post(`/conversations/${this.which}/${what}`, { hold: holds.get(this.which), ...body });
      holds.delete(this.which);
      tell(what === "close" ? "Closed: the citizen is asked how it was." : "Given back.");
      go("/console/chats");
    } catch (error) { tell(error.words, "bad"); }
  }
}
customElements.define("fd-view-chats", Chats);
