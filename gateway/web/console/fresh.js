/* A change rests on what was read. Where that is older than what stands, it is read again: what machines moved on meanwhile does
   not stop anybody, and what people did is told first, so that pressing again is a decision about what stands now. */
import { get } from "./api.js";
import { actor, happened, organisationName, person, serviceName, stateName } from "./names.js";

const UNDER_WAY = ["routed", "delivered", "in_progress"];
const MOST = 5; // readings until it is said that it changes too quickly

/** Somebody changed it meanwhile: nothing was done. `lines`: what happened, and how it stands. */
export class Meanwhile extends Error {
  constructor(lines) {
    super("changed meanwhile");
    this.words = "It changed while you looked at it, and nothing was done yet. If it is still right, press again.";
    this.lines = lines;
  }
}

/** What one reading of a request, or of one of its needs, was; kept as new as what the person was told of. */
export class Reading {
  /** `request` as read; `referral`: the id of the need that is to change, or null for the request as a whole. */
  constructor(request, referral = null) {
    this.request = request;
    this.referral = referral;
  }

  get version() { return this.referral ? needOf(this.request, this.referral).version : this.request.version; }

  /** Run `act(version)`. Throws `Meanwhile` where a person should look first; the next call then goes by what they were told. */
  async do(act) {
    for (let tries = 0; ; tries += 1) {
      try {
        return await act(this.version);
      } catch (error) {
        if (!error.stale) throw error;
        const before = this.request;
        this.request = await get(`/requests/${before.reference}`);
        const lines = between(before, this.request, this.referral);
        if (lines.length > 0) throw new Meanwhile(lines);
        if (tries === MOST) throw error;
      }
    }
  }
}

/** One row of a list, which holds less than a request: `act(version)` on what stands now, if that is what the row shows. */
export async function onRow(row, act) {
  try {
    return await act(row.version);
  } catch (error) {
    if (!error.stale) throw error;
    const need = needOf(await get(`/requests/${row.reference}`), row.referral_id);
    if (different(row, need) || holder(need) !== holder(row)) throw new Meanwhile([stands(need)]);
    return act(need.version);
  }
}

function needOf(request, referral) { return request.referrals.find((each) => each.referral_id === referral); }

/** What a person should know before they change it, in sentences; none where only machines moved it along its way. */
function between(before, now, referral) {
  const about = (event) => !referral || !event.referral_id || event.referral_id === referral;
  const known = new Set(before.events.map(sameness));
  const fresh = now.events.filter((event) => about(event) && event.actor !== actor() && !known.has(sameness(event)));
  const moved = now.referrals.filter((each) => !referral || each.referral_id === referral)
    .filter((each) => { const was = needOf(before, each.referral_id); return !was || different(was, each); });
  const told = moved.length > 0 ? fresh : fresh.filter((event) => human(event.actor));
  return [...told.map((event) => `${happened(event.kind)} by ${by(event.actor)}`
    + `${event.detail.reason ? `: ${event.detail.reason}` : ""}`), ...moved.map(stands)];
}

const sameness = (event) => JSON.stringify([event.at, event.kind, event.actor, event.referral_id]);
const human = (who) => /^(person|key):|^(citizen|not-fixed)$/.test(who);
const by = (who) => (human(who) ? person(who) : who === "front-door" ? "the front door" : organisationName(who));
const holder = (need) => (need.claimed_until && new Date(need.claimed_until) > new Date() ? need.claimed_by : null);
const different = (was, is) => was.service !== is.service || was.organisation !== is.organisation
  || (was.state !== is.state && !(UNDER_WAY.includes(was.state) && UNDER_WAY.includes(is.state)));
const stands = (need) => `It stands now: ${serviceName(need.service)}, ${stateName(need.state).toLowerCase()}`
  + `${need.organisation ? `, with ${organisationName(need.organisation)}` : ""}${holder(need) ? `; ${holder(need) === actor() ? "you have" : `${person(holder(need))} has`} it` : ""}.`;
