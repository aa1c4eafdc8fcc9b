/* Times that tell themselves: how long ago, how long yet; and promises that show before they are broken. */
import { h } from "./dom.js";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
export const SOON = HOUR;
const exact = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const when = (iso) => exact.format(new Date(iso));
export const atClock = (iso) => clock.format(new Date(iso));

/** A span of milliseconds in words. */
export function span(length) {
  const whole = Math.abs(length);
  if (whole < MINUTE) return `${Math.floor(whole / 1000)} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

const shown = new Set();
setInterval(() => { for (const each of shown) each.show(); }, 5000);

/** `<fd-time at="…" as="ago|until|promise">`; `label` stands before. */
class Time extends HTMLElement {
  connectedCallback() { shown.add(this); this.show(); }

  disconnectedCallback() { shown.delete(this); }

  show() {
    const at = new Date(this.getAttribute("at")).getTime(), left = at - Date.now(), as = this.getAttribute("as") ?? "ago";
    const label = this.getAttribute("label") ?? "";
    let text;
    if (as === "ago") text = Math.abs(left) < 10_000 ? "just now" : `${span(left)} ago`;
    else if (as === "until") text = left > 0 ? `${span(left)} left` : "run out";
    else text = left > 0 ? `in ${span(left)}` : `${span(left)} late`;
    if (as === "promise") this.className = `promise ${left <= 0 ? "late" : left <= SOON ? "soon" : "ok"}`;
    const words = `${label}${label ? " " : ""}${text}`;
    if (this.textContent !== words) this.textContent = words;
    this.title = exact.format(at);
  }
}
customElements.define("fd-time", Time);

export const ago = (iso, label) => h("fd-time", { at: iso, as: "ago", label });
export const until = (iso, label) => h("fd-time", { at: iso, as: "until", label });
export const promise = (iso, label = "due") => h("fd-time", { at: iso, as: "promise", label });

/** A local `datetime-local` value as an instant with its zone. */
export const instant = (local) => new Date(local).toISOString();
export function localValue(date) {
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${two(date.getMinutes())}`;
}
