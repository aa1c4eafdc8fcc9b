/* The console's frame: who one is, where to go, what rings, and the view that the address names. */
import { get, post } from "./api.js";
import "./alarm-bar.js";
import "./view-alarms.js";
import "./view-call.js";
import "./view-chats.js";
import "./view-letters.js";
import "./view-organisations.js";
import "./view-request.js";
import "./view-requests.js";
import "./view-search.js";
import "./view-work.js";
import { announce, button, fill, h } from "./dom.js";
import { everywhere, help, here } from "./keys.js";
import { follow, live } from "./live.js";
import { known, learn, works } from "./names.js";

const VIEWS = [
  // path, name, key, who sees it in the menu
  ["call", "Take a call", "n", works],
  ["work", "Work", "w", works],
  ["chats", "Chat desk", "t", works],
  ["search", "Search", "/", works],
  ["requests", "All requests", "l", () => true],
  ["alarms", "Alarms", "a", works],
  ["letters", "Not delivered", "u", works],
  ["organisations", "Organisations", "o", () => true],
];

/** Go to a view of the console without loading the page anew. */
export function go(path) {
  if (path !== location.pathname + location.search) history.pushState(null, "", path);
  document.querySelector("fd-console").show();
}
window.addEventListener("go", (event) => go(event.detail));

class Console extends HTMLElement {
  async connectedCallback() {
    window.addEventListener("popstate", () => this.show());
    window.addEventListener("signed-out", () => this.#signedOut());
    this.addEventListener("click", (event) => this.#followLink(event));
    try {
      await learn();
    } catch (error) {
      if (error.status === 401) this.#welcome();
      else this.#failed(error);
      return;
    }
    this.#frame();
    if (works()) {
      live.start();
      this.#count();
      follow(new AbortController().signal, () => true, () => this.#count(), 2000);
      setInterval(() => this.#count(), 30_000);
    }
    everywhere([
      ...VIEWS.filter(([, , , who]) => who()).map(([path, name, key]) => [key, name, () => go(`/console/${path}`)]),
      ["?", "Show the shortcuts", help],
    ]);
    this.show();
  }

  #frame() {
    const me = known.me;
    const links = VIEWS.filter(([, , , who]) => who()).map(([path, name, key]) => h("li", {}, h("a", {
      href: `/console/${path}`, data: { view: path }, "aria-keyshortcuts": key }, h("span", {}, name), h("span", { class: "count", data: { count: path } }))));
    fill(this,
      h("fd-alarm-bar"),
      h("header", { class: "top" },
        h("p", { class: "brand" }, h("a", { href: works() ? "/console/call" : "/console/requests" }, "Front door"), h("span", { class: "place" }, me.authority_name)),
        h("div", { class: "me" }, h("span", { class: "line", id: "line", role: "status" }, ""), h("span", {}, me.name, h("span", { class: "quiet" }, ` ${me.roles.join(", ")}`)),
          button("Shortcuts", help, { class: "link" }), button("Sign out", () => this.#signOut(), { class: "link" }))),
      h("nav", { class: "menu", "aria-label": "Console" }, h("ul", {}, links)),
      h("main", { id: "main", tabindex: "-1" }),
      h("section", { id: "told", "aria-label": "What was done" }),
      h("div", { id: "said", class: "unseen", "aria-live": "polite" }), h("div", { id: "said-at-once", class: "unseen", "aria-live": "assertive" }));
    live.addEventListener("state", ({ detail }) => {
      const place = document.getElementById("line");
      place.textContent = detail.connected ? "Live" : "Reconnecting…";
      place.classList.toggle("off", !detail.connected);
    });
  }

  /** Show what the address names. */
  show() {
    if (!known.me) return;
    const [, , view, name] = location.pathname.split("/").map(decodeURIComponent);
    const wanted = view === "request" ? "request" : VIEWS.find(([path, , , who]) => path === view && who()) ? view : null;
    if (wanted === null) {
      history.replaceState(null, "", works() ? "/console/call" : "/console/requests");
      return this.show();
    }
    here([]);
    const main = document.getElementById("main"), first = !main.hasChildNodes();
    const element = document.createElement(`fd-view-${wanted}`);
    if (name) element.setAttribute("name", name);
    main.replaceChildren(element);
    for (const link of this.querySelectorAll("[data-view]")) {
      if (link.dataset.view === wanted) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const title = wanted === "request" ? name : VIEWS.find(([path]) => path === wanted)[1];
    document.title = `${title} - Front door console`;
    if (!first && !element.contains(document.activeElement)) {
      window.scrollTo(0, 0);
      (element.querySelector("h1") ?? main).focus({ preventScroll: true });
    }
    announce(title);
  }

  async #count() {
    try {
      const { queues } = await get("/queues");
      const of = (name) => queues.filter((each) => each.queue === name).reduce((sum, each) => sum + each.count, 0);
      const work = queues.filter((each) => ["triage", "undeliverable", "uncertain", "rejected"].includes(each.queue)).reduce((sum, each) => sum + each.count, 0);
      const chats = (await get("/conversations?holder=queue&limit=200")).length;
      for (const [path, count, words] of [["work", work, "need a decision"], ["alarms", of("alarms"), "ringing"], ["chats", chats, "waiting"]]) {
        const place = this.querySelector(`[data-count="${path}"]`);
        if (place) fill(place, count > 0 && [String(count), h("span", { class: "unseen" }, ` ${words}`)]);
      }
    } catch { /* the next time */ }
  }

  #followLink(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || link.target) return;
    const to = new URL(link.href);
    if (to.origin !== location.origin || !to.pathname.startsWith("/console")) return;
    event.preventDefault();
    go(to.pathname + to.search);
  }

  async #signOut() {
    await post("/sign-out").catch(() => null);
    location.assign("/console");
  }

  #welcome() {
    const back = encodeURIComponent(location.pathname + location.search);
    fill(this, h("main", { id: "main", class: "welcome", tabindex: "-1" }, h("h1", {}, "Front door console"),
      h("p", {}, "For the people who take calls and look after requests."),
      h("p", {}, h("a", { class: "big-link", href: `/sign-in?return_to=${back}` }, "Sign in"))));
  }

  #signedOut() {
    const main = document.getElementById("main");
    if (!known.me || this.querySelector(".ended")) return;
    const note = h("div", { class: "ended wrong", role: "alert" }, h("p", {}, "Your sign-in has ended. ",
      h("a", { href: "/sign-in?return_to=/console", target: "_blank", rel: "noopener" }, "Sign in again (new tab)"),
      ", then go on here: nothing that you typed is lost."), button("I have signed in", () => { note.remove(); location.pathname.includes("/call") || this.show(); }));
    main.before(note);
  }

  #failed(error) {
    fill(this, h("main", { id: "main", class: "welcome" }, h("h1", {}, "The console cannot start"), h("p", {}, error.words ?? String(error)),
      button("Try again", () => location.reload(), { class: "primary" })));
  }
}
customElements.define("fd-console", Console);
