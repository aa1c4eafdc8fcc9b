/* Shortcuts. Single letters can be switched off (WCAG 2.1.4), and never act while somebody types. */
import { button, h, newId } from "./dom.js";

const STORED = "front-door-single-keys";
const general = [];
let local = [];

export const single = {
  get on() { return localStorage.getItem(STORED) !== "off"; },
  set on(value) { localStorage.setItem(STORED, value ? "on" : "off"); },
};

/** Shortcuts that hold in every view: [key, words, act]. */
export function everywhere(list) { general.push(...list); }

/** The shortcuts of the view that is shown, in the place of the one before. */
export function here(list) { local = list; }

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest?.("input, textarea, select, dialog, [contenteditable]")) return;
  if (!single.on && event.key !== "?") return;
  const found = [...local, ...general].find(([key]) => key === event.key);
  if (!found) return;
  event.preventDefault();
  found[2]();
});

/** The help: every shortcut that works just now. */
export function help() {
  const id = newId("help");
  const box = h("input", { type: "checkbox", id: `${id}-box`, checked: single.on, on: { change: () => { single.on = box.checked; } } });
  const list = (entries) => h("dl", { class: "keys" }, entries.map(([key, words]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, words))));
  const before = document.activeElement;
  const dialog = h("dialog", { "aria-labelledby": id }, h("div", { class: "help" }, h("h2", { id }, "Keyboard shortcuts"),
    local.length > 0 && [h("h3", {}, "On this page"), list(local)], h("h3", {}, "Everywhere"), list(general),
    h("h3", {}, "In forms"), list([["Ctrl + Enter", "Send"], ["Esc", "Close a dialog"]]),
    h("div", { class: "field check" }, h("label", { for: `${id}-box` }, "Single-key shortcuts"), box),
    h("div", { class: "row end" }, button("Close", () => dialog.close(), { class: "primary" }))));
  dialog.addEventListener("close", () => { dialog.remove(); before?.focus?.(); });
  document.body.append(dialog);
  dialog.showModal();
}

/** Move between rows: focus the next or previous `[data-row]` link. */
export function step(root, by) {
  const rows = [...root.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  const now = rows.indexOf(document.activeElement?.closest("[data-key]")?.querySelector("[data-row]"));
  const next = rows[Math.min(rows.length - 1, Math.max(0, now + by))] ?? rows[0];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}
