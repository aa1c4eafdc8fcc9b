/* What staff can do with one need, and with a request: each a dialog, each resting on what was read. */
import { call, get, keyOf, post } from "./api.js";
import { ask, organisations, reason, services, tell } from "./dialog.js";
import { Meanwhile, Reading } from "./fresh.js";
import { groups, known, organisationName, person, serviceName, stateName } from "./names.js";
import { instant, localValue, when } from "./time.js";

/** The acts of a need: `need` as read, `request` it belongs to, `again` reads both anew. */
export function actsOf(request, need, again) {
  const at = (what) => `/referrals/${need.referral_id}/${what}`;
  const send = async (reading, what, body, said, key) => {
    const found = await reading.do((version) => post(at(what), body, { version, key }));
    tell(said);
    again();
    return found;
  };
  const quick = (what, body, said) => send(new Reading(request, need.referral_id), what, body, said).catch((error) => {
    tell([error.words ?? String(error), ...(error.lines ?? [])].join(" "), "bad");
    again();
  });
  const dialog = (title, act, fields, submit, more = {}) => {
    const reading = new Reading(request, need.referral_id);
    return ask({ title, act, fields, submit: (values) => submit(values, (...rest) => send(reading, ...rest)), ...more });
  };
  const service = { name: "service", label: "Service", kind: "service", options: services(), hint: "Type a few letters of its name.", value: need.service ?? "" };
  const elsewhere = { name: "organisation", label: "Organisation", kind: "organisation", options: organisations(), hint: "Only where it is not to be whom the rules say." };
  const message = { name: "message", label: "Message to the citizen", kind: "textarea", max: 5000 };
  const once = crypto.randomUUID();
  const given = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
  const colleague = { name: "to", label: "Colleague", kind: "colleague", options: colleagues(request), hint: "Their name, as the history shows it." };
  const offered = (values, change) => change("offer", { to: named(values.to), note: values.note }, `Offered to ${values.to}: yours until they accept.`);

  return {
    claim: () => quick("claim", {}, "Yours for 15 minutes."),
    release: () => quick("release", {}, "Let go."),
    renew: () => post(at("renew"), {}).then(() => { tell("Yours for 15 minutes more."); again(); }, (error) => tell(error.words, "bad")),
    accept: () => quick("accept", {}, `Accepted as ${serviceName(need.service)}.`),
    service: (likely = null) => dialog("What is it really?", "Change service", [{ ...service, required: true, ...(likely && { value: likely }) }, elsewhere, reason()],
      (values, change) => change("service", given(values), `Now ${serviceName(values.service)}.`)),
    route: () => dialog("Send it to another organisation", "Re-route", [{ ...elsewhere, hint: null, required: true }, reason()],
      (values, change) => change("route", values, `On its way to ${organisationName(values.organisation)}.`)),
    resolve: () => dialog("Resolve", "It is done", [reason(), message], (values, change) => change("resolve", given(values), "Resolved.")),
    cancel: () => dialog("Not needed any more", "Cancel the need", [reason(), message], (values, change) => change("cancel", given(values), "Cancelled."), { danger: true }),
    reopen: () => dialog("Open it again", "Reopen", [{ ...service, hint: "Only where it is another one than it was.", value: "" }, elsewhere, reason()],
      (values, change) => change("reopen", given(values), "Open again.")),
    wait: () => dialog("Wait for the citizen", "Pause the clock", [reason()], (values, change) => change("wait", values, "The clock stands still until they answer.")),
    goOn: () => quick("go-on", {}, "The clock goes on."),
    handOver: () => dialog("Hand it over", "Hand over", [{ ...colleague, label: "Colleague" }, { name: "skill", label: "Or a skill", kind: "select", options: [["", "None"],
      ...groups().map((each) => [`group:${each}`, `Group: ${each}`]), ...organisations().map(([code, name]) => [`organisation:${code}`, name])] }, { name: "note", label: "Note", max: 500 }],
    ({ to, skill, note }, change) => change("hand-over", given({ to: to ? named(to) : "", skill, note }), "Handed over: it waits there.")),
    offer: () => dialog("Warm transfer", "Offer it", [{ ...colleague, required: true }, { name: "note", label: "Note", max: 500 }], offered,
      { text: "It stays with you until they accept. An offer that is not answered in two minutes is none." }),
    acceptOffer: () => quick("offer/accept", {}, "It is yours."),
    declineOffer: () => quick("offer/decline", {}, "Declined."),
    split: () => dialog("Make two needs of one", "Split", [{ name: "keep", label: "Words that stay with this need", kind: "textarea", rows: 2, value: need.text, required: true },
      { name: "text", label: "Words of the new need", kind: "textarea", rows: 2, required: true }, { ...service, label: "Service of the new need", value: "", hint: "Empty: it goes to triage." }, reason()],
    async ({ keep, text, service: code, reason: why }, change) => {
      const body = { keep, reason: why, parts: [given({ text, service: code })] };
      return change("split", body, "Split in two.", await keyOf(once, body));
    }),
    merge: async () => {
      const found = await get(at("duplicates")).catch((error) => { tell(error.words, "bad"); return null; });
      if (found === null) return null;
      if (found.length === 0) return tell("Nothing here looks like the same need.");
      return dialog("Merge into the same need", "Merge", [{ name: "into", label: "It is the same as", kind: "select", options: found.map((each) => [each.referral_id,
        `${each.reference}, ${stateName(each.state)}, ${Math.round(each.similarity * 100)} % alike${each.same_person ? ", same person" : ""}: ${each.text.slice(0, 80)}`]) }, reason()],
      (values, change) => change("merge", values, "Merged: it is done when the other is."), { wide: true, text: "This need ends as merged; reopening takes it out again." });
    },
  };
}

/** Whom one can hand to: who stands in this request's history, beside oneself. */
function colleagues(request) {
  const found = new Set(request.events.map((each) => each.actor).filter((each) => each.startsWith("person:") && person(each) !== known.me.name));
  return [...found].map((each) => [each, person(each)]);
}

const named = (typed) => (/^(person|key):/.test(typed) ? typed : `person:${typed}`);

/** The acts of a whole request. */
export function actsOfRequest(request, again) {
  const at = (what) => `/requests/${request.reference}${what && `/${what}`}`;
  const then = (said) => { tell(said); again(); };
  const once = crypto.randomUUID();
  /** A dialog whose `submit(values, reading)` changes the request. */
  const dialog = (wanted) => {
    const reading = new Reading(request);
    return ask({ ...wanted, submit: (values) => wanted.submit(values, reading) });
  };
  const make = async (what, body, version) => post(at(what), body, { version, key: await keyOf(once, [what, body]) });
  const about = { name: "referral_id", label: "About", kind: "select", options: [["", "The whole request"], ...request.referrals.map((each) => [each.referral_id, `${each.part}: ${serviceName(each.service)}`])] };
  return {
    note: () => ask({ title: "Write a note", text: "For staff alone: the citizen never sees it.", act: "Keep the note", fields: [{ name: "text", label: "Note", kind: "textarea", required: true, max: 5000 }],
      submit: async ({ text }) => { await make("messages", { kind: "note", text }); then("Note kept."); } }),
    reply: async () => {
      const drafts = await get(at("replies")).catch(() => []);
      const shown = dialog({ title: "Write to the citizen", act: "Send", wide: true, text: "They read it where they look up their request.",
        fields: [{ name: "reply", label: "Begin with", kind: "select", options: [["", "An empty page"], ...drafts.map((each) => [each.id, each.title])] }, { name: "text", label: "Message", kind: "textarea", rows: 7, required: true, max: 5000 }, about],
        submit: async ({ text, referral_id: need }, reading) => {
          if (/\{[a-z]+\}/.test(text)) throw Object.assign(new Error(), { words: "Fill in what stands in curly brackets first." });
          await reading.do((version) => make("messages", { kind: "message", text, ...(need && { referral_id: need }) }, version));
          then("Sent to the citizen.");
        } });
      const [pick] = document.querySelectorAll("dialog[open] select"), box = document.querySelector("dialog[open] textarea");
      pick?.addEventListener("change", () => { box.value = drafts.find((each) => each.id === pick.value)?.text ?? box.value; });
      return shown;
    },
    add: () => dialog({ title: "Add a need that the door did not see", act: "Add", fields: [{ name: "text", label: "The citizen's words for it", kind: "textarea", rows: 2, required: true },
      { name: "service", label: "Service", kind: "service", options: services(), hint: "Empty: it goes to triage." }, reason()],
    submit: async ({ text, service, reason: why }, reading) => {
      await reading.do((version) => make("referrals", { parts: [{ text, ...(service && { service }) }], reason: why }, version));
      then("Added.");
    } }),
    tags: () => dialog({ title: "Tags", act: "Set tags", fields: [{ name: "tags", label: "Tags", hint: "With commas between them: small letters, digits, - and _.", value: request.tags.join(", ") }],
      submit: async ({ tags }, reading) => {
        const body = { tags: tags.split(",").map((each) => each.trim().toLowerCase()).filter(Boolean) };
        await reading.do((version) => call("PUT", at("tags"), { body, version }));
        then("Tags set.");
      } }),
    callBack: () => ask({ title: "Book a call-back", act: "Book", fields: [{ name: "due_at", label: "When", kind: "datetime-local", required: true, value: localValue(new Date(Date.now() + 3_600_000)) },
      { name: "phone", label: "Another number than the request's", max: 30 }, { name: "note", label: "Note", max: 500 }],
    submit: async ({ due_at: due, phone, note }) => { await make("call-backs", { due_at: instant(due), note, ...(phone && { phone }) }); then("Call-back booked."); } }),
    finishCall: (booked) => {
      let { version } = booked;
      return ask({ title: "What came of the call?", act: "Keep", fields: [{ name: "outcome", label: "Outcome", kind: "select", options: [["reached", "Reached them"], ["no-answer", "No answer"], ["cancelled", "Not needed any more"]] },
        { name: "again_at", label: "After no answer: try again at", kind: "datetime-local" }],
      submit: async ({ outcome, again_at: later }) => {
        try {
          await post(`/call-backs/${booked.call_back_id}/finish`, { outcome, ...(later && { again_at: instant(later) }) }, { version });
        } catch (error) {
          if (!error.stale) throw error;
          const now = (await get(at(""))).call_backs.find((each) => each.call_back_id === booked.call_back_id);
          version = now.version;
          again();
          throw new Meanwhile([now.done_at ? "A colleague has dealt with this call." : `It is booked for ${when(now.due_at)} now.`]);
        }
        then("Kept.");
      } });
    },
    link: () => dialog({ title: "Link with another request", act: "Link", fields: [{ name: "other", label: "Its reference", required: true, max: 30 }, reason()],
      submit: async (values, reading) => { await reading.do((version) => post(at("link"), values, { version })); then("Linked."); } }),
    unlink: (other) => new Reading(request).do((version) => post(at("unlink"), { other }, { version })).then(() => then("Link taken away."), (error) => tell(error.words, "bad")),
  };
}
