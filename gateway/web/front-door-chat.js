/* <front-door-chat authority="barnet" endpoint="https://…"> — a council's chat, in one script without a build step.

   Attributes: authority, endpoint (where the front door is; default: this script's own origin), language ("en", "cy"),
   exit-url (where "Exit this page" leads), floating (a button in the corner that opens it), open.
   Theme: --fd-accent, --fd-on-accent, --fd-ink, --fd-paper, --fd-soft, --fd-line, --fd-alarm, --fd-font, --fd-height.
   What stands inside the element is shown where the chat cannot be. */
(() => {
  "use strict";
  const HOME = new URL(document.currentScript ? document.currentScript.src : location.href).origin;
  const EXIT = "https://www.bbc.co.uk/weather";
  const NUMBER = /(?<![\d-])(?:0\d{2,4} \d{3,4}(?: \d{3,4})?|116 123|999|111)(?![\d-])/g;
  const SCORES = [[5, "very-satisfied"], [4, "satisfied"], [3, "neither"], [2, "dissatisfied"], [1, "very-dissatisfied"]];
  const MOST_FILE_MB = 8;

  const STYLE = `
:host { --accent: var(--fd-accent, light-dark(#005a50, #8fe0d0)); --on-accent: var(--fd-on-accent, light-dark(#fff, #06201c));
  --ink: var(--fd-ink, light-dark(#101c1b, #eef4f2)); --paper: var(--fd-paper, light-dark(#fff, #121b1c));
  --soft: var(--fd-soft, light-dark(#eff4f3, #202d2e)); --line: var(--fd-line, light-dark(#6b7b79, #8a9b98));
  --alarm: var(--fd-alarm, light-dark(#a3130b, #ff9c93)); --quiet: light-dark(#44524f, #b7c4c1);
  display: block; color-scheme: inherit; font: 1.0625rem/1.5 var(--fd-font, system-ui, sans-serif); color: var(--ink); }
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
.panel { display: flex; flex-direction: column; height: var(--fd-height, min(44rem, 90vh)); min-height: 22rem; background: var(--paper);
  border: 1px solid var(--line); border-top: .375rem solid var(--accent); border-radius: .25rem; overflow: hidden; }
.top { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; padding: .75rem 1rem; border-bottom: 1px solid var(--line); }
h2 { font-size: 1.25rem; line-height: 1.25; margin: 0; flex: 1 1 8rem; }
h2:focus { outline: none; }
button, .file { font: inherit; font-size: 1rem; line-height: 1.25; color: var(--accent); background: var(--paper); cursor: pointer;
  border: 2px solid var(--accent); border-radius: .25rem; padding: .5rem .75rem; min-height: 2.75rem; text-align: start; }
button:hover, .file:hover { background: var(--soft); }
button.main { background: var(--accent); color: var(--on-accent); font-weight: 600; }
button.main:hover { text-decoration: underline; }
button.plain { border-color: transparent; background: none; text-decoration: underline; text-underline-offset: .2em; padding: .375rem .5rem; }
button.exit { border-color: var(--alarm); background: var(--alarm); color: light-dark(#fff, #2a0603); font-weight: 600; }
:is(button, a, textarea, .talk, input):focus-visible, .file:focus-within { outline: .1875rem solid var(--ink); outline-offset: .125rem;
  box-shadow: 0 0 0 .125rem var(--paper), 0 0 0 .5rem #ffd233; }
.talk { position: relative; flex: 1 1 12rem; overflow-y: auto; overscroll-behavior: contain; padding: 1rem; min-height: 8rem; }
.lead { margin: 0 0 .75rem; color: var(--quiet); }
.lead strong { color: var(--ink); }
ol { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: .75rem; }
li.m { max-width: min(36rem, 92%); overflow-wrap: anywhere; }
li.citizen { align-self: flex-end; }
.who { font-size: .875rem; color: var(--quiet); margin: 0 0 .125rem; }
.citizen .who { text-align: end; }
.bubble { background: var(--soft); border-radius: .25rem; padding: .625rem .875rem; }
.bubble p { margin: 0; white-space: pre-wrap; }
.bubble p + p, .bubble ul, .bubble p.where { margin-top: .5rem; }
.bubble ul { padding-inline-start: 1.25rem; margin-bottom: 0; }
.citizen .bubble { background: var(--accent); color: var(--on-accent); }
.citizen .bubble a { color: inherit; }
.agent .bubble { border-inline-start: .375rem solid var(--accent); }
.emergency { max-width: 100% !important; }
.emergency .bubble { background: var(--paper); border: .1875rem solid var(--alarm); font-size: 1.125rem; }
.emergency a { color: var(--alarm); font-weight: 700; white-space: nowrap; }
.sent .bubble { border-inline-start: .375rem solid var(--accent); }
.reference { display: block; font-size: 1.375rem; font-weight: 700; letter-spacing: .03em; margin-bottom: .25rem; }
.pending .bubble { outline: 2px dashed var(--accent); outline-offset: 2px; }
.citizen .bubble .who { color: inherit; }
a { color: var(--accent); text-underline-offset: .2em; }
.choices { display: flex; flex-direction: column; align-items: flex-start; gap: .5rem; margin: .75rem 0 0; padding: 0; border: 0; }
.note { margin: 0; padding: .5rem 1rem; background: var(--soft); border-top: 1px solid var(--line); font-size: 1rem; }
.note:empty { display: none; }
.note.bad { border-inline-start: .375rem solid var(--alarm); }
form { border-top: 1px solid var(--line); padding: .75rem 1rem; margin: 0; }
form.survey { overflow-y: auto; max-height: 70%; flex: 0 1 auto; }
label, legend { font-weight: 600; display: block; padding: 0; }
textarea { display: block; width: 100%; font: inherit; color: inherit; background: var(--paper); border: 2px solid var(--ink); border-radius: 0;
  padding: .5rem; margin: .25rem 0 .5rem; min-height: 3.25rem; max-height: 10rem; resize: vertical; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
.file { position: relative; color: var(--accent); font-weight: 400; display: inline-block; }
.file input { position: absolute; inset: 0; opacity: 0; cursor: pointer; width: 100%; }
.foot { display: flex; flex-wrap: wrap; gap: 0 .5rem; border-top: 1px solid var(--line); padding: .25rem .5rem; }
fieldset { border: 0; margin: 0 0 .75rem; padding: 0; min-width: 0; }
.score { display: flex; align-items: center; gap: .75rem; font-weight: 400; min-height: 2.75rem; }
.score input { width: 1.5rem; height: 1.5rem; margin: 0; accent-color: var(--accent); flex: none; }
.hidden { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.count { font-size: .875rem; color: var(--quiet); margin-inline-start: auto; }
[hidden] { display: none !important; }
:host([floating]) .launch { position: fixed; inset-block-end: 1rem; inset-inline-end: 1rem; z-index: 1000; box-shadow: 0 .125rem .5rem #0006; }
:host([floating]) .panel { position: fixed; inset-block-end: 1rem; inset-inline-end: 1rem; z-index: 1001; width: min(28rem, calc(100vw - 2rem));
  height: min(44rem, calc(100vh - 2rem)); min-height: 0; box-shadow: 0 .25rem 1.5rem #0006; }
@media (max-width: 40em), (max-height: 30em) {
  :host([floating]) .panel { inset: 0; width: auto; height: auto; border: 0; border-top: .375rem solid var(--accent); overflow-y: auto; }
  .panel { min-height: 0; height: auto; max-height: none; }
  .talk { max-height: none; overflow-y: visible; flex: none; min-height: 0; }
  form.survey { max-height: none; }
  .top, .talk, form { padding-inline: .75rem; }
}
@media (prefers-reduced-motion: no-preference) { .m.fresh { animation: in .18s ease-out; } @keyframes in { from { opacity: 0; transform: translateY(.375rem); } } }
@media (forced-colors: active) { .bubble { border: 1px solid; } button { border-color: ButtonText; } }
@media print { .top button, form, .foot, .choices { display: none; } .panel { height: auto; } }
`;

  const make = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name in element && name !== "form") element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((each) => each !== null && each !== undefined));
    return element;
  };
  const newId = () => crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  class Refused extends Error {
    constructor(status, problem, after) { super(problem.detail || problem.title || String(status)); this.status = status; this.kind = (problem.type || "").split("#")[1]; this.after = after; }
    get passing() { return this.status === 429 || this.status >= 500; }
  }

  class FrontDoorChat extends HTMLElement {
    connectedCallback() {
      if (this.root) return;
      this.root = this.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      this.root.adoptedStyleSheets = [sheet];
      this.authority = this.getAttribute("authority");
      this.endpoint = (this.getAttribute("endpoint") || HOME).replace(/\/$/, "");
      this.base = `${this.endpoint}/chat/v1/${encodeURIComponent(this.authority)}`;
      this.key = `front-door-chat ${this.base}`;
      this.forget();
      this.began();
    }

    disconnectedCallback() { this.stop(); removeEventListener("storage", this.onstorage); removeEventListener("keydown", this.onshift, true); removeEventListener("online", this.onback); removeEventListener("offline", this.ongone); }

    forget() {
      this.stop();
      Object.assign(this, { token: null, messages: new Map(), shown: new Map(), pending: [], closed: false, rated: false, holder: "door", place: null, last: 0, secret: false, sending: false, trouble: "", stay: null });
    }

    async began() {
      const kept = this.load();
      const wished = this.getAttribute("language");
      this.language = (kept && (kept.wished || null) === wished && kept.language) || wished || (document.documentElement.lang || "en").slice(0, 2);
      if (!["en", "cy"].includes(this.language)) this.language = "en";
      this.root.replaceChildren(make("slot"));
      if (!await this.learn()) return;
      this.onstorage = (event) => event.key === this.key && this.otherTab(event.newValue);
      this.onshift = (event) => this.shift(event);
      this.onback = () => { this.render(); this.wake && this.wake(); this.flush(); };
      this.ongone = () => { this.render(); this.tell(this.t("offline")); };
      addEventListener("storage", this.onstorage);
      addEventListener("keydown", this.onshift, true);
      addEventListener("online", this.onback);
      addEventListener("offline", this.ongone);
      this.frame();
      if (kept && kept.token) await this.resume(kept);
    }

    async learn() {
      for (let wait = 500; this.isConnected; wait = Math.min(wait * 2, 15000)) {
        try {
          this.about = await this.call("GET", `/about?language=${this.language}`);
          return true;
        } catch (error) {
          if (error instanceof Refused && !error.passing) return false;
          await pause(wait);
        }
      }
      return false;
    }

    t(key, values = {}) { return (this.about.texts[key] || key).replace(/\{(\w+)\}/g, (_, name) => name in values ? values[name] : ""); }

    /* What is kept over a reload: the token and what has not been sent. Never in an address; after an alarm only for this tab. */
    load() {
      for (const store of [sessionStorage, localStorage]) {
        try { const kept = JSON.parse(store.getItem(this.key)); if (kept) { this.secret = store === sessionStorage; return kept; } } catch { /* none */ }
      }
      return null;
    }

    save() {
      const kept = JSON.stringify({ token: this.token, language: this.language, wished: this.getAttribute("language"), pending: this.pending.map(({ id, path, body, text }) => ({ id, path, body, text })) });
      try {
        (this.secret ? localStorage : sessionStorage).removeItem(this.key);
        if (this.token) (this.secret ? sessionStorage : localStorage).setItem(this.key, kept);
      } catch { /* a browser that keeps nothing: the talk lasts as long as the page */ }
    }

    otherTab(value) {
      const kept = value ? JSON.parse(value) : null;
      if (kept && kept.token === this.token) return;
      if (this.secret) return;
      if (!kept) { this.forget(); this.frame(); return; }
      const same = Boolean(this.token);
      this.token = kept.token;
      if (!same) this.resume(kept, false);
    }

    async call(method, path, body, headers = {}) {
      const options = { method, headers: { ...headers }, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" };
      if (this.token) options.headers.Authorization = `Bearer ${this.token}`;
      if (body instanceof Blob) options.body = body;
      else if (body !== undefined) { options.body = JSON.stringify(body); options.headers["Content-Type"] = "application/json"; }
      const answer = await fetch(this.base + path, options);
      if (answer.ok) return answer.status === 204 ? null : (answer.headers.get("Content-Type") || "").includes("json") ? answer.json() : answer.blob();
      throw new Refused(answer.status, await answer.json().catch(() => ({})), Number(answer.headers.get("Retry-After")) || 0);
    }

    /* Beginning and going on */
    async resume(kept, exchange = true) {
      this.token = kept.token;
      this.pending = (kept.pending || []).map((each) => ({ ...each }));
      this.render();
      for (let wait = 500; this.token; wait = Math.min(wait * 2, 8000)) {
        try {
          if (exchange) {
            const { token, conversation } = await this.call("POST", "/conversation/resume");
            this.token = token;
            this.took(conversation);
          } else this.took(await this.call("GET", "/conversation"));
          this.save();
          this.render();
          this.listen();
          this.flush();
          return;
        } catch (error) {
          if (error instanceof Refused && !error.passing) { this.over(error); return; }
          await pause(wait);
        }
      }
    }

    took(conversation) {
      this.holder = conversation.holder;
      this.closed = conversation.closed;
      this.add(conversation.messages, false);
    }

    async start() {
      const { token, conversation } = await this.call("POST", "/conversations", { language: this.language });
      this.token = token;
      this.took(conversation);
      this.save();
      this.listen();
    }

    over(error) {
      const words = error.status === 401 || error.kind === "conversation-closed" ? this.t("expired") : this.t("problem", { detail: error.message });
      this.trouble = words;
      if (error.status === 401) { const unsent = this.pending.map((each) => each.text).filter(Boolean).join("\n"); this.forget(); this.save(); try { localStorage.removeItem(this.key); sessionStorage.removeItem(this.key); } catch { /* none */ } this.trouble = words; this.frame(); if (unsent) this.box.value = unsent; }
      this.render();
    }

    /* Listening: server-sent events read from fetch, because an EventSource would need the token in its address. */
    async listen() {
      this.stop();
      const mine = this.listening = new AbortController();
      let wait = 500;
      while (!mine.signal.aborted && this.token) {
        try {
          const answer = await fetch(`${this.base}/conversation/stream`, { cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer", signal: mine.signal, headers: { Authorization: `Bearer ${this.token}`, "Last-Event-ID": String(this.last) } });
          if (answer.status === 401) { if (!mine.signal.aborted) this.over(new Refused(401, {})); return; }
          if (!answer.ok) throw new Error(String(answer.status));
          wait = 500;
          this.connected(true);
          const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
          let text = "";
          for (;;) {
            const alive = setTimeout(() => reader.cancel().catch(() => {}), 40000);
            const { value, done } = await reader.read().finally(() => clearTimeout(alive));
            if (done) break;
            text += value;
            const events = text.split("\n\n");
            text = events.pop();
            events.forEach((event) => this.event(event));
          }
        } catch { if (mine.signal.aborted) return; this.connected(false); }
        await Promise.race([pause(wait + Math.random() * 300), new Promise((done) => { this.wake = done; })]);
        wait = Math.min(wait * 2, 10000);
      }
    }

    stop() { if (this.listening) this.listening.abort(); this.listening = null; }

    connected(yes) {
      if (this.gone === !yes) return;
      const before = this.gone;
      this.gone = !yes;
      if (yes && before) { this.tell(this.t("online")); this.flush(); }
      this.render();
    }

    event(block) {
      let kind = "message", data = "";
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) kind = line.slice(7);
        else if (line.startsWith("data: ")) data += line.slice(6);
      }
      if (!data) return;
      if (kind === "reset") { this.messages.clear(); this.shown.clear(); this.last = 0; this.list.replaceChildren(); }
      else if (kind === "message") this.add([JSON.parse(data)], true);
      else if (kind === "place") { this.place = JSON.parse(data).place; this.render(); }
    }

    add(messages, aloud) {
      let fresh = false;
      for (const message of messages) {
        if (this.messages.has(message.number)) continue;
        fresh = true;
        this.messages.set(message.number, message);
        if (message.client_id) this.pending = this.pending.filter((each) => each.id !== message.client_id);
        if (message.author === "door" && ["agent", "door", "queue"].includes(message.kind)) { this.holder = message.kind; if (message.kind !== "queue") this.place = null; }
        if (["survey", "closed"].includes(message.kind)) this.closed = true;
        if (message.kind === "emergency") { this.secret = true; if (aloud) this.stay = message.number; if (this.holder === "door") this.holder = "queue"; }
        if (aloud && message.author !== "citizen") this.tell(this.t("new-message", { who: this.who(message), text: [message.said.text, ...(message.said.items || [])].join(". ") }));
      }
      while (this.messages.has(this.last + 1)) this.last += 1;
      if (fresh) { this.save(); this.render(); }
    }

    /* Saying: what is written is kept, shown at once, and sent in order until it is taken. */
    say(text, body) {
      this.stay = null;
      const id = newId();
      this.pending.push({ id, path: "/conversation/messages", text, body: { client_id: id, ...body } });
      this.trouble = "";
      this.save();
      this.render();
      this.flush();
    }

    person() {
      const id = newId();
      this.pending.push({ id, path: "/conversation/person", text: null, body: { client_id: id } });
      this.flush();
    }

    async flush() {
      if (this.sending || !this.about) return;
      this.sending = true;
      let wait = 500;
      while (this.pending.length) {
        const next = this.pending[0];
        try {
          if (!this.token) await this.start();
          const { messages } = await this.call("POST", next.path, next.body);
          wait = 500;
          this.pending = this.pending.filter((each) => each !== next);
          this.late = false;
          this.save();
          if (next.text) this.tell(this.t("message-sent"));
          this.add(messages, true);
          this.render();
        } catch (error) {
          if (error instanceof Refused && !error.passing) {
            this.pending = this.pending.filter((each) => each !== next);
            this.save();
            if (error.status === 401) { this.pending.unshift(next); this.over(error); }
            else if (error.kind !== "out-of-order") { if (next.body.text && this.box) this.box.value = next.body.text; this.over(error); }
            this.render();
            if (error.status === 401) break;
            continue;
          }
          this.late = true;
          this.render();
          await Promise.race([pause(error.after ? error.after * 1000 : wait), new Promise((done) => { this.retry = done; addEventListener("online", done, { once: true }); })]);
          wait = Math.min(wait * 2, 8000);
        }
      }
      this.sending = false;
      this.render();
    }

    async attach(input) {
      const [file] = input.files;
      input.value = "";
      if (!file) return;
      this.trouble = "";
      if (file.size > MOST_FILE_MB * 1048576) this.trouble = this.t("too-large", { most: MOST_FILE_MB });
      else try {
        if (!this.token) await this.start();
        this.note(this.t("sending"));
        const { messages } = await this.call("POST", "/conversation/attachments", file, { "Content-Type": "application/octet-stream", "X-File-Name": encodeURIComponent(file.name) });
        this.add(messages, true);
        this.tell(this.t("message-sent"));
      } catch (error) { this.trouble = error.status === 413 ? this.t("too-large", { most: MOST_FILE_MB }) : error.status === 415 ? this.t("wrong-type") : this.t("problem", { detail: error.message }); }
      this.render();
    }

    async open(message) {
      try {
        const blob = await this.call("GET", `/conversation/attachments/${message.said.attachment}`);
        this.keep(blob, message.said.name);
      } catch (error) { this.trouble = this.t("problem", { detail: error.message }); this.render(); }
    }

    keep(blob, name) {
      const link = make("a", { href: URL.createObjectURL(blob), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }

    async end() {
      if (!this.token) return;
      try { const { messages } = await this.call("POST", "/conversation/close"); this.add(messages, true); this.closed = true; this.render(); this.form.querySelector("input")?.focus(); }
      catch (error) { this.trouble = this.t("problem", { detail: error.message }); this.render(); }
    }

    async rate(event) {
      event.preventDefault();
      const score = this.form.querySelector("input:checked");
      if (!score) { this.trouble = this.t("survey-choose"); this.render(); this.form.querySelector("input").focus(); return; }
      const words = this.form.querySelector("textarea").value.trim();
      try {
        const { thanks } = await this.call("POST", "/conversation/survey", { score: Number(score.value), ...(words ? { words } : {}) });
        this.rated = true;
        this.trouble = "";
        this.thanks = thanks;
        this.tell(thanks);
        this.drawForm();
        this.render();
        this.form.querySelector("button").focus();
      } catch (error) { this.trouble = this.t("problem", { detail: error.message }); this.render(); }
    }

    anew() {
      this.forget();
      try { localStorage.removeItem(this.key); sessionStorage.removeItem(this.key); } catch { /* none */ }
      this.frame();
      this.box.focus();
    }

    async speak() {
      this.language = this.language === "en" ? "cy" : "en";
      if (this.token) this.call("POST", "/conversation/language", { language: this.language }).catch(() => {});
      if (!await this.learn()) return;
      this.save();
      this.shown.clear();
      this.frame();
      this.root.querySelector(".language")?.focus();
    }

    /* Leaving at once: nothing of the talk stays on the screen or on this device. */
    exit() {
      try { localStorage.removeItem(this.key); sessionStorage.removeItem(this.key); } catch { /* none */ }
      this.forget();
      this.root.replaceChildren();
      document.documentElement.hidden = true;
      document.title = "";
      location.replace(this.getAttribute("exit-url") || EXIT);
    }

    shift(event) {
      if (event.key !== "Shift") { this.shifts = 0; return; }
      if (event.repeat) return;
      const now = Date.now();
      this.shifts = now - (this.shifted || 0) < 1500 ? (this.shifts || 0) + 1 : 1;
      this.shifted = now;
      if (this.shifts >= 3 && (this.messages.size || this.pending.length)) this.exit();
    }

    /* Showing. All words become text nodes: nothing that anybody writes is ever markup. */
    who(message) { return message.author === "citizen" ? this.t("you") : message.author === "agent" ? message.said.name || this.t("person-label") : this.t("helper"); }

    frame() {
      const floating = this.hasAttribute("floating");
      this.expanded ??= !floating || this.hasAttribute("open");
      this.live = make("div", { className: "hidden", role: "status" });
      this.list = make("ol", { role: "list" });
      this.heading = make("h2", { tabIndex: -1, textContent: this.t("title", { name: this.about.short_name }), id: "title" });
      this.line = make("p", { className: "note", role: "status" });
      this.options = make("div", { className: "choices", role: "group", hidden: true });
      this.log = make("div", { className: "talk", role: "region", tabIndex: 0, "aria-label": this.t("conversation") },
        make("p", { className: "lead" }, make("strong", { textContent: this.t("danger") }), " ", this.t("intro"), this.about.phone ? " " + this.t("phone", { phone: this.about.phone }) : ""),
        this.list, this.options);
      this.form = make("form", { noValidate: true });
      const top = make("div", { className: "top" }, this.heading,
        make("button", { className: "plain language", type: "button", lang: this.language === "en" ? "cy" : "en", textContent: this.t("language"), onclick: () => this.speak() }),
        floating ? make("button", { type: "button", textContent: this.t("close-chat"), onclick: () => this.fold(false) }) : null,
        make("button", { className: "exit", type: "button", textContent: this.t("exit"), title: this.t("exit-help"), onclick: () => this.exit() }));
      this.foot = make("div", { className: "foot" },
        make("button", { className: "plain person", type: "button", textContent: this.t("talk-person"), onclick: () => this.person() }),
        make("button", { className: "plain copy", type: "button", textContent: this.t("transcript"), onclick: async () => { try { this.keep(await this.call("GET", "/conversation/transcript"), "conversation.txt"); } catch (error) { this.trouble = this.t("problem", { detail: error.message }); this.render(); } } }),
        make("button", { className: "plain end", type: "button", textContent: this.t("end"), onclick: () => this.end() }));
      this.panel = make("section", { className: "panel", "aria-labelledby": "title", lang: this.language }, top, this.log, this.line, this.form, this.foot);
      this.launch = floating ? make("button", { className: "launch main", type: "button", textContent: this.t("open-chat"), "aria-expanded": "false", onclick: () => this.fold(true) }) : null;
      this.root.replaceChildren(...[this.launch, this.panel, this.live].filter(Boolean));
      this.drawForm();
      this.render();
      if (floating) this.fold(this.expanded, false);
    }

    fold(open, move = true) {
      this.expanded = open;
      this.panel.hidden = !open;
      this.launch.hidden = open;
      this.launch.setAttribute("aria-expanded", String(open));
      if (move) (open ? this.heading : this.launch).focus();
    }

    drawForm() {
      this.formKind = this.closed ? (this.rated ? "done" : "survey") : "write";
      this.form.className = this.formKind;
      if (this.formKind === "write") {
        const most = this.about.most_characters;
        this.box = make("textarea", { id: "box", rows: 2, maxLength: most, autocomplete: "off", enterKeyHint: "send",
          onkeydown: (event) => { if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.form.requestSubmit(); } },
          oninput: () => { const left = most - this.box.value.length; this.count.textContent = left < 300 ? this.t("characters-left", { count: left }) : ""; } });
        this.count = make("span", { className: "count" });
        const input = make("input", { type: "file", accept: "image/jpeg,image/png,image/webp,image/gif,application/pdf", "aria-label": this.t("attach"), onchange: () => this.attach(input) });
        this.form.onsubmit = (event) => { event.preventDefault(); const text = this.box.value.trim(); if (!text) { this.box.focus(); return; } this.box.value = ""; this.count.textContent = ""; this.say(text, { text }); this.box.focus(); };
        this.form.replaceChildren(make("label", { htmlFor: "box", textContent: this.t("message-label") }), this.box,
          make("div", { className: "row" }, make("button", { className: "main", type: "submit", textContent: this.t("send") }), make("span", { className: "file" }, this.t("attach"), input), this.count));
      } else if (this.formKind === "survey") {
        this.form.onsubmit = (event) => this.rate(event);
        const last = [...this.messages.values()].filter((each) => ["survey", "closed"].includes(each.kind)).pop();
        this.form.replaceChildren(
          make("fieldset", {}, make("legend", { textContent: last ? last.said.text : "" }), ...SCORES.map(([score, key]) => make("label", { className: "score" }, make("input", { type: "radio", name: "score", value: String(score) }), this.t(key)))),
          make("label", { htmlFor: "words", textContent: this.t("survey-words") }), make("textarea", { id: "words", rows: 2, maxLength: 2000 }),
          make("div", { className: "row" }, make("button", { className: "main", type: "submit", textContent: this.t("survey-send") }), make("button", { type: "button", textContent: this.t("again"), onclick: () => this.anew() })));
      } else {
        this.form.onsubmit = (event) => event.preventDefault();
        this.form.replaceChildren(make("p", { className: "lead", textContent: this.thanks || "" }), make("button", { className: "main", type: "button", textContent: this.t("again"), onclick: () => this.anew() }));
      }
    }

    render() {
      if (!this.list) return;
      const near = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 120;
      let fresh = null;
      for (const number of [...this.messages.keys()].sort((a, b) => a - b)) {
        const message = this.messages.get(number);
        if (this.shown.has(number) || ["survey", "closed"].includes(message.kind)) continue;
        const item = this.draw(message);
        const after = [...this.shown.keys()].filter((each) => each < number).sort((a, b) => b - a)[0];
        if (after === undefined) this.list.prepend(item); else this.shown.get(after).after(item);
        this.shown.set(number, item);
        fresh = item;
      }
      this.list.querySelectorAll(".pending").forEach((each) => each.remove());
      for (const each of this.pending) if (each.text) this.list.append(this.bubble("citizen pending", this.t("you"), make("p", { textContent: each.text }), make("p", { className: "who", textContent: this.late ? this.t("not-sent") : this.t("sending") })));
      this.drawChoices();
      if (this.formKind !== (this.closed ? (this.rated ? "done" : "survey") : "write")) this.drawForm();
      this.foot.hidden = !this.token;
      this.foot.querySelector(".person").hidden = this.closed || this.holder !== "door";
      this.foot.querySelector(".end").hidden = this.closed;
      const offline = this.token && (this.gone || !navigator.onLine);
      this.note(this.trouble || (offline || (this.late && this.pending.length) ? this.t("offline") : this.holder === "queue" && this.place ? this.t("place", { place: this.place }) : ""), Boolean(this.trouble));
      if (this.shown.has(this.stay)) this.log.scrollTop = this.shown.get(this.stay).offsetTop - 8; // words for danger are not scrolled away
      else if ((near || (fresh && fresh.classList.contains("citizen")) || this.pending.length)) {
        this.log.scrollTop = this.log.scrollHeight;
        if (fresh && this.log.scrollHeight <= this.log.clientHeight + 1 && this.root.activeElement) this.form.scrollIntoView({ block: "nearest" });
      }
    }

    drawChoices() {
      const all = [...this.messages.values()].sort((a, b) => b.number - a.number);
      const last = all.find((each) => each.author === "citizen" && each.kind === "text" || (each.said.choices || []).length || ["agent", "door", "survey"].includes(each.kind));
      const choices = !this.closed && !this.pending.length && last && last.said.choices || [];
      const key = choices.length ? `${last.number} ${choices.map((each) => each.id)}` : "";
      if (this.choicesKey === key && this.options.childElementCount === choices.length) return;
      const held = this.options.contains(this.root.activeElement);
      this.choicesKey = key;
      this.options.hidden = !choices.length;
      if (choices.length) this.options.setAttribute("aria-label", last.said.text);
      this.options.replaceChildren(...choices.map((choice) => make("button", { type: "button", textContent: choice.label, onclick: () => this.say(choice.label, { choice: choice.id, question: last.number }) })));
      if (held) (this.closed ? this.form.querySelector("input, button") : this.box)?.focus();
    }

    bubble(kind, who, ...children) { return make("li", { className: `m ${kind}` }, make("p", { className: "who", textContent: who }), make("div", { className: "bubble" }, ...children)); }

    draw(message) {
      const said = message.said;
      const parts = [];
      if (message.kind === "sent" && said.reference) parts.push(make("strong", { className: "reference", textContent: said.reference }));
      if (said.text) parts.push(make("p", {}, ...(["emergency", "queue", "signpost"].includes(message.kind) ? this.numbers(said.text) : [said.text])));
      if (said.items && said.items.length) parts.push(make("ul", {}, ...said.items.map((item) => make("li", { textContent: item }))));
      if (message.kind === "signpost") {
        const ways = [];
        if (said.phone && !said.text.includes(said.phone)) ways.push(make("a", { href: "tel:" + said.phone.replace(/[^\d+]/g, ""), textContent: said.phone }));
        if (said.url && /^https:\/\//.test(said.url)) ways.push(make("a", { href: said.url, rel: "noopener noreferrer", textContent: said.name || said.url }));
        if (ways.length) parts.push(make("p", { className: "where" }, ...ways.flatMap((way, place) => place ? [" · ", way] : [way])));
      }
      if (said.attachment) parts.push(make("p", {}, this.t("file", { name: said.name })), make("button", { type: "button", className: "plain", textContent: this.t("download", { name: said.name }), onclick: () => this.open(message), style: "color:inherit" }));
      const item = this.bubble(`${message.author} ${message.kind}`, this.who(message), ...parts);
      if (Date.now() - Date.parse(message.at) < 5000) item.classList.add("fresh");
      return item;
    }

    numbers(text) {
      const parts = [];
      let from = 0;
      for (const found of text.matchAll(NUMBER)) {
        parts.push(text.slice(from, found.index), make("a", { href: "tel:" + found[0].replace(/ /g, ""), textContent: found[0] }));
        from = found.index + found[0].length;
      }
      return [...parts, text.slice(from)];
    }

    note(text, bad = false) { if (this.line.textContent !== text) this.line.textContent = text; this.line.classList.toggle("bad", bad); }

    tell(text) {
      if (!this.live) return;
      const line = make("p", { textContent: text });
      this.live.append(line);
      setTimeout(() => line.remove(), 8000);
    }
  }

  if (!customElements.get("front-door-chat")) customElements.define("front-door-chat", FrontDoorChat);
})();
