// Requests to a replica. A Problem is what may go wrong: the replica refuses, or it does not answer.

import { setMessage } from "./dom.js";

const TIMEOUT_MS = 8000;
const AGAIN_MS = 1000;
const TURNS_MAX = 3;
const TURN_S_MAX = 5;

export class Problem extends Error {}

/** The replica refused: `code` is for programs, `message` for people. */
export class Refused extends Problem {
  constructor({ code, message, details }, status) {
    super(message);
    this.isOfLogin = [401, 403].includes(status); // whether another login might see it
    this.code = code;
    this.details = details ?? {};
  }
}

class Silent extends Problem {}

/**
 * The JSON that METHOD PATH answers at `base`; "" is the replica that served this page. With `keepalive`, the browser
 * ends the request even if the page is closed.
 */
export async function ask(base, method, path, { body, user, keepalive = false } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (user) headers["Bayou-User"] = user;
  return send(base + path, { method, headers, body: JSON.stringify(body), keepalive }, "json");
}

export async function askText(path) {
  return send(path, {}, "text");
}

/** Reads what a page needs to start: asks until there is an answer. `say` gets a sentence for each failure. */
export async function askUntilAnswered(path, say) {
  for (;;) {
    try {
      return await ask("", "GET", path);
    } catch (problem) {
      say(`${problem.message} Trying again …`);
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

/** The sentence for a Problem; throws anything else, because that is a fault of the page. */
export function sentenceFor(problem, ifSilent = "The replica does not answer. Try again when it is back.") {
  if (!(problem instanceof Problem)) throw problem;
  return problem instanceof Silent ? ifSilent : problem.message;
}

/** Runs `read`, and returns whether the replica answered as wanted: false after a Problem. */
export async function answers(read) {
  try {
    await read();
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return false;
  }
}

/** Runs `run`; after a Problem, `node` shows the sentence for it. */
export async function showProblem(node, run) {
  try {
    await run();
  } catch (problem) {
    setMessage(node, sentenceFor(problem));
  }
}

/** Sends a request. One that was refused since there were too many has had no effect, so it is sent again. */
async function send(url, options, kind) {
  for (let turn = 1; ; turn += 1) {
    try {
      return await sendOnce(url, options, kind);
    } catch (problem) {
      if (problem.code !== "too_many_requests" || turn === TURNS_MAX) throw problem;
      const waitS = Math.min(problem.details.retry_after_s ?? 1, TURN_S_MAX);
      await new Promise((done) => setTimeout(done, waitS * 1000));
    }
  }
}

async function sendOnce(url, options, kind) {
  const isOwn = url.startsWith("/");
  let response;
  let answer;
  try {
    response = await fetch(url, {
      cache: "no-store",
      credentials: "same-origin", // the cookie of /login
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...options,
    });
    answer = await response[kind]();
  } catch (reason) {
    throw new Silent(`No answer from ${isOwn ? "the replica" : new URL(url).origin}: ${reason.message}`);
  }
  if (response.ok) return answer;
  const error = answer.error ?? { code: "unreadable", message: response.statusText };
  if (response.status === 401 && isOwn && url !== "/login" && error.code?.startsWith("token_")) {
    location.assign("/login");
  }
  throw new Refused(error, response.status);
}
