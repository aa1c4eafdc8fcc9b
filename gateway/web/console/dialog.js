/* One dialog for every act: fields, a button that says what happens, and what went wrong in its own words. */
import { announce, button, field, fill, focused, h, newId, refocus } from "./dom.js";
import { known } from "./names.js";

/** Show a dialog. `fields`: {name, label, kind, hint, options, required, value}. `submit(values)` does it; what it throws is
 *  shown, and the dialog stays. Resolves with what `submit` gave, or null where it was closed. */
export function ask({ title, text, fields = [], act = "Save", danger = false, submit, wide = false }) {
  return new Promise((done) => {
    const id = newId("dialog"), wrong = h("div", { class: "wrong", role: "alert" });
    const controls = fields.map((each) => control(each));
    let outcome = null, busy = false;
    const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, act);
    const form = h("form", { novalidate: true, on: { submit: run, keydown: (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(event); }
    } } },
    h("h2", { id, tabindex: "-1" }, title), text && h("p", { class: "dialog-text" }, text), wrong, controls.map((each) => each.element),
    h("div", { class: "row end" }, button("Cancel", () => dialog.close(), { class: "plain-button" }), go));
    const dialog = h("dialog", { "aria-labelledby": id, class: wide ? "wide-dialog" : null }, form);
    const before = document.activeElement, mark = focused();

    async function run(event) {
      event.preventDefault();
      if (busy) return;
      const values = {};
      for (const each of controls) {
        const value = each.read();
        if (each.required && (value === "" || value === null)) return complain(`${each.label}: this is needed.`, each);
        if (value === null) return complain(`${each.label}: pick one from the list.`, each);
        values[each.name] = value;
      }
      busy = true;
      go.disabled = true;
      try {
        outcome = (await submit(values)) ?? true;
        dialog.close();
      } catch (error) {
        complain(error.words ?? String(error), null, error.lines);
      } finally {
        busy = false;
        go.disabled = false;
      }
    }

    function complain(words, at, lines = []) {
      fill(wrong, h("p", {}, words), lines.length > 0 && h("ul", {}, lines.map((each) => h("li", {}, each))));
      wrong.scrollIntoView({ block: "nearest" });
      at?.focus();
    }

    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      else refocus(document, mark); // the page was drawn anew meanwhile
      done(outcome);
    });
    document.body.append(dialog);
    dialog.showModal();
    (controls[0]?.focus ?? (() => go.focus()))();
    announce(title);
  });
}

function control(wanted) {
  const { name, label, kind = "text", hint, options = [], required = false, value = "", rows = 4, max } = wanted;
  let input, list = null, read = () => input.value.trim();
  const make = (id, described) => {
    const shared = { id, "aria-describedby": described, "aria-required": required ? "true" : null, maxlength: max };
    if (kind === "textarea") input = h("textarea", { ...shared, rows, value });
    else if (kind === "select") {
      input = h("select", { ...shared }, options.map(([code, text]) => h("option", { value: code, selected: code === value }, text)));
    } else if (kind === "service" || kind === "organisation" || kind === "colleague") {
      list = h("datalist", { id: `${id}-list` }, options.map(([, text]) => h("option", { value: text })));
      input = h("input", { ...shared, type: "text", list: `${id}-list`, autocomplete: "off", value: options.find(([code]) => code === value)?.[1] ?? value });
      input.addEventListener("change", () => { // a part of a name that is only one's is that one's
        const typed = input.value.trim().toLowerCase(), likely = options.filter(([code, text]) => typed && (text.toLowerCase().includes(typed) || code.toLowerCase() === typed));
        if (likely.length === 1) [[, input.value]] = likely;
      });
      read = () => {
        const typed = input.value.trim().toLowerCase();
        if (!typed) return "";
        const found = options.find(([code, text]) => text.toLowerCase() === typed || code.toLowerCase() === typed);
        return found ? found[0] : kind === "colleague" ? input.value.trim() : null;
      };
    } else if (kind === "checkbox") {
      input = h("input", { ...shared, type: "checkbox", checked: Boolean(value) });
      read = () => input.checked;
    } else input = h("input", { ...shared, type: kind, value, autocomplete: "off" });
    return list ? h("div", {}, input, list) : input;
  };
  const element = field(required ? label : `${label}${kind === "checkbox" || kind === "select" ? "" : " (optional)"}`, make, hint);
  if (kind === "checkbox") element.classList.add("check");
  return { name, label, required, element, read, focus: () => input.focus() };
}

/** Choices for `ask`: every service, every organisation. */
export const services = () => [...known.services.values()].map((each) => [each.code, each.name]);
export const organisations = () => [...known.organisations.values()].map((each) => [each.code, each.name]);
export const reason = (value = "") => ({ name: "reason", label: "Reason", required: true, hint: "Kept in the history.", value, max: 500 });

/** Say briefly what was done, where everybody sees and hears it. */
export function tell(text, kind = "good") {
  announce(text, kind === "bad");
  const place = document.getElementById("told");
  const note = h("div", { class: `told ${kind}` }, h("p", {}, text), button("Dismiss", () => note.remove(), { class: "link" }));
  place?.append(note);
  if (kind !== "bad") setTimeout(() => note.remove(), 8000);
}
