/* The staff API under the session's cookie: one function, and one kind of error that says in words what to do. */

export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The answer was ${status}.`);
    this.status = status;
    this.problem = problem;
  }

  /** Whether somebody else was quicker: what is on the screen is out of date. */
  get stale() { return this.status === 412; }

  /** The sentence for people. */
  get words() {
    if (this.stale) return "It changes faster than it can be read just now. Press again in a moment.";
    if (this.status === 0) return "No connection to the front door. Nothing was lost; try again in a moment.";
    if (this.status === 401) return "Your sign-in has ended. Sign in again in another tab, then try this again here.";
    if (this.status === 429) return "Too many calls in a minute. Wait a little and try again.";
    const where = (this.problem.errors ?? []).map((each) => `${name(each.pointer)}${each.detail}`).join("; ");
    return where || [this.problem.title, this.problem.detail].filter(Boolean).join(": ");
  }
}

function name(pointer) {
  const last = (pointer ?? "").split("/").pop().replace(/^\?/, "").replaceAll("_", " ");
  return last && !/^\d*$/.test(last) ? `${last} ` : "";
}

/** Call the API. `version`: what was read (If-Match). `key`: makes sending it twice harmless. The decoded answer, or null. */
export async function call(method, path, { body, version, key, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["Front-Door-Csrf"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (version !== undefined) headers["If-Match"] = version === "*" ? "*" : `"${version}"`;
  if (key !== undefined) headers["Idempotency-Key"] = key;
  let answer;
  try {
    answer = await fetch(path.startsWith("/sign") ? path : `/api/v1${path}`, {
      method, headers, signal, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, {});
  }
  if (answer.status === 204) return null;
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  if (answer.status === 401) window.dispatchEvent(new Event("signed-out"));
  throw new Problem(answer.status, found);
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body = {}, options = {}) => call("POST", path, { body, ...options });

/** A query string of what is given. */
export function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** A key for sending `values` once: the same while they are the same, so that pressing again after a lost line makes nothing twice. */
export async function keyOf(stem, values) {
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(values))));
  return `${stem}-${[...found.slice(0, 8)].map((each) => each.toString(16).padStart(2, "0")).join("")}`;
}
