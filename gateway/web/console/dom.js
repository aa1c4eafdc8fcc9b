/* Elements from plain values. Whatever a citizen wrote becomes a text node: there is no way from a string to markup here. */

/** An element. `props`: attributes; `on` listeners; `data` data-attributes; `class`; `value` and `checked` as properties. */
export function h(tag, props, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [kind, heard] of Object.entries(value)) made.addEventListener(kind, heard);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name === "value" || name === "checked" || name === "indeterminate") made[name] = value;
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...flat(children));
  return made;
}

function flat(children) {
  return children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false && each !== "");
}

/** Where the focus is, in a way that outlives a drawing anew: by `data-key`, what kind of element, and `data-act`. */
export function focused() {
  const at = document.activeElement, key = at?.closest("[data-key]")?.dataset.key;
  return key === undefined ? null : { key, tag: at.tagName, act: at.dataset.act ?? "" };
}

/** Put the focus back there: on the same control, or one beside it where that is gone. */
export function refocus(root, mark) {
  const place = mark && root.querySelector(`[data-key="${CSS.escape(mark.key)}"]`);
  if (!place) return;
  const candidates = [place, ...place.querySelectorAll("a, button, input")].filter((each) => each.matches("a, button, input"));
  const same = candidates.find((each) => each.tagName === mark.tag && (each.dataset.act ?? "") === mark.act);
  (same ?? candidates[0])?.focus({ preventScroll: true });
}

/** Put these in the place of everything in `into`, and keep the focus where it was. */
export function fill(into, ...children) {
  const mark = into.contains(document.activeElement) ? focused() : null;
  into.replaceChildren(...flat(children));
  refocus(into, mark);
}

/** Say something to who listens rather than looks. `urgent` interrupts. */
export function announce(text, urgent = false) {
  const place = document.getElementById(urgent ? "said-at-once" : "said");
  if (!place) return;
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

let counted = 0;
/** An id that nothing else on the page has. */
export function newId(stem) {
  counted += 1;
  return `${stem}-${counted}`;
}

/** A labelled field: label, hint, and the control that `make(id, describedBy)` gives. */
export function field(label, make, hint) {
  const id = newId("field");
  const control = make(id, hint ? `${id}-hint` : null);
  return h("div", { class: "field" }, h("label", { for: id }, label), hint && h("p", { class: "hint", id: `${id}-hint` }, hint), control);
}

/** A small word in a box: a state, a priority. */
export function chip(text, kind = "") {
  return h("span", { class: `chip ${kind}` }, text);
}

/** A button. */
export function button(text, run, props = {}) {
  return h("button", { type: "button", ...props, on: { click: run } }, text);
}

/** What is shown while nothing is there. */
export function empty(title, text) {
  return h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), text && h("p", {}, text));
}
