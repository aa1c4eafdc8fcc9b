/* Safeguarding alarms that nobody has answered: seen on every page, and heard, until a named person answers. */
import { get, post } from "./api.js";
import { announce, button, fill, h } from "./dom.js";
import { ask, tell } from "./dialog.js";
import { follow } from "./live.js";
import { known, serviceName, works } from "./names.js";
import { ago } from "./time.js";
import { toRequest } from "./view.js";

const SOUND = "front-door-alarm-sound";
let audio = null;

/** Two notes. Browsers let nothing sound before somebody has clicked or typed: until then it is only seen. */
function ring() {
  if (localStorage.getItem(SOUND) === "off" || !navigator.userActivation?.hasBeenActive) return;
  audio ??= new AudioContext();
  [[0, 660], [0.25, 880]].forEach(([after, pitch]) => {
    const tone = audio.createOscillator(), loud = audio.createGain(), at = audio.currentTime + after;
    tone.frequency.value = pitch;
    loud.gain.setValueAtTime(0.12, at);
    loud.gain.exponentialRampToValueAtTime(0.001, at + 0.24);
    tone.connect(loud).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.25);
  });
}

/** Ask for the name of who answers, and answer. Resolves to true once it is answered. */
export const answer = (alarm) => ask({
  title: `Answer the alarm of ${alarm.reference}`, act: "I have it", danger: true,
  text: "It stops ringing, and the history names you. Answer only when you are doing something about it now.",
  fields: [{ name: "name", label: "Your own name", required: true, max: 100, value: known.me.kind === "person" ? known.me.name : "" }],
  submit: async ({ name }) => {
    await post(`/alarms/${alarm.referral_id}/acknowledge`, { name });
    tell(`${alarm.reference}: ${name} has the alarm.`);
    window.dispatchEvent(new Event("alarms"));
  },
});

class AlarmBar extends HTMLElement {
  #ringing = [];
  #ending = new AbortController();

  connectedCallback() {
    if (!works()) return;
    const look = () => this.look();
    const every = setInterval(look, 15_000), bell = setInterval(() => { if (this.#ringing.length) ring(); }, 4000);
    this.#ending.signal.addEventListener("abort", () => { clearInterval(every); clearInterval(bell); });
    window.addEventListener("alarms", look, { signal: this.#ending.signal });
    follow(this.#ending.signal, (event) => event.priority === "safeguarding" || event.kind.startsWith("alarm"), look, 100);
    look();
  }

  disconnectedCallback() { this.#ending.abort(); }

  async look() {
    let found;
    try { found = await get("/alarms"); } catch { return; }
    const fresh = found.filter((each) => !this.#ringing.some((before) => before.referral_id === each.referral_id));
    this.#ringing = found;
    if (fresh.length) {
      announce(`Safeguarding alarm: ${fresh.map((each) => `${serviceName(each.service)}, ${each.reference}`).join("; ")}`, true);
      ring();
    }
    if (found.length === 0) return fill(this);
    const first = found[0], quiet = localStorage.getItem(SOUND) === "off";
    fill(this, h("section", { class: "alarm-bar", "aria-label": "Safeguarding alarms" },
      h("p", {}, h("strong", {}, found.length === 1 ? "Safeguarding alarm" : `${found.length} safeguarding alarms`), " ",
        serviceName(first.service), ", ", toRequest(first.reference), ", rings since ", ago(first.opened_at)),
      h("div", { class: "row" }, button("Answer", () => answer(first), { data: { key: "answer-alarm" } }),
        found.length > 1 && h("a", { href: "/console/alarms" }, "See all"),
        button(quiet ? "Sound on" : "Sound off", () => { localStorage.setItem(SOUND, quiet ? "on" : "off"); this.look(); }, { class: "link", data: { key: "alarm-sound" } }))));
  }
}
customElements.define("fd-alarm-bar", AlarmBar);
