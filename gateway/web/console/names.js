/* The names of things: services, organisations, states, what happened. Read once, then known. */
import { get } from "./api.js";

export const known = { me: null, services: new Map(), organisations: new Map() };

/** Read who one is, and the catalogue. Throws a Problem with status 401 where nobody is signed in. */
export async function learn() {
  known.me = await get("/me");
  const [services, organisations] = await Promise.all([get("/services"), get("/organisations")]);
  known.services = new Map(services.map((each) => [each.code, each]));
  known.organisations = new Map(organisations.map((each) => [each.code, each]));
}

export const serviceName = (code) => (code ? known.services.get(code)?.name ?? code : "Not decided");
export const organisationName = (code) => (code ? known.organisations.get(code)?.name ?? code.replace("subscription:", "Subscription ") : "Nobody yet");
export const groups = () => [...new Set([...known.services.values()].map((each) => each.group))].sort();
/** How a caller is named in events: `person:Asha Agent` → Asha Agent. */
export const person = (actor) => (actor ?? "").replace(/^(person|key):/, "") || "the front door";
export const actor = () => `${known.me.kind}:${known.me.name}`;
export const leads = () => known.me.roles.some((each) => each === "supervisor" || each === "machine");
export const works = () => known.me.roles.some((each) => ["agent", "supervisor", "machine"].includes(each)) && !known.me.organisation;

/** The code of what was picked from a list of names: a name, or the code itself. */
export function codeOf(map, typed) {
  const wanted = typed.trim().toLowerCase();
  for (const each of map.values()) if (each.name.toLowerCase() === wanted || each.code === wanted) return each.code;
  return null;
}

export const STATES = {
  triage: ["Triage", "warn"], routed: ["Being sent", "calm"], delivered: ["Delivered", "calm"], in_progress: ["In progress", "calm"],
  resolved: ["Resolved", "good"], rejected: ["Rejected", "bad"], cancelled: ["Cancelled", "quiet"],
  undeliverable: ["Undeliverable", "bad"], uncertain: ["Uncertain", "warn"], signposted: ["Signposted", "quiet"],
};
export const stateName = (state) => STATES[state]?.[0] ?? state;
export const stateKind = (state) => STATES[state]?.[1] ?? "quiet";
export const ended = (state) => ["resolved", "cancelled", "signposted"].includes(state);

export const DELIVERIES = {
  waiting: "waiting to be sent", claimed: "being sent", delivered: "delivered", refused: "refused", uncertain: "may have arrived",
  dead: "not delivered", withdrawn: "withdrawn",
};

const HAPPENED = {
  received: "Request received", routed: "Sent on its way", delivered: "Delivered", in_progress: "Taken up", resolved: "Resolved",
  rejected: "Rejected", refused: "Refused", undeliverable: "Could not be delivered", uncertain: "May have arrived", corrected: "Put right",
  reopened: "Reopened", claimed: "Claimed", taken_over: "Taken over", released: "Released", handed_over: "Handed over",
  transfer_offered: "Transfer offered", transfer_accepted: "Transfer accepted", transfer_declined: "Transfer declined", merged: "Merged into another",
  took_in: "Another merged into this", added: "Need added", split: "Split", cancelled: "Cancelled", tagged: "Tags changed",
  note_written: "Note written", message_written: "Citizen written to", call_back_booked: "Call-back booked", call_back_reached: "Called back: reached",
  call_back_no_answer: "Called back: no answer", call_back_moved: "Call-back moved", waits_for_citizen: "Clock paused: waiting for the citizen",
  goes_on: "Clock goes on", replayed: "Sent again", found_delivered: "Found to have arrived", alarm_raised: "Safeguarding alarm rung",
  alarm_acknowledged: "Alarm answered", linked: "Linked", unlinked: "Link taken away", handed_on: "Passed to the next organisation",
};
export const happened = (kind) => HAPPENED[kind] ?? (kind.charAt(0).toUpperCase() + kind.slice(1)).replaceAll("_", " ");

export const CHANNELS = { phone: "Phone", chat: "Chat", web: "Web form", email: "E-mail", "in-person": "In person", open311: "Open311" };
export const FIELDS = {
  name: "Name", phone: "Phone", email: "E-mail", address: "Address", date_of_birth: "Date of birth", nhs_number: "NHS number",
  national_insurance_number: "National Insurance number", language: "Language", notes: "Notes", lat: "Latitude", long: "Longitude",
};
