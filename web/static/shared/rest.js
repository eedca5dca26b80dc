// Asking a replica. Its refusals and its silence are two different things, and both are exceptions.

const TIMEOUT_MS = 8000;

/** The replica answered, and said no: `code` for programs, `message` for people. */
export class Refused extends Error {
  constructor(status, { code, message, details }) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details ?? {};
  }
}

/** The replica did not answer. */
export class Silent extends Error {}

/** The JSON that METHOD PATH answers at `base` ("" is the replica that served this page). */
export async function ask(base, method, path, { body, user } = {}) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (user) headers["Bayou-User"] = user;
  let response;
  let answer;
  try {
    response = await fetch(base + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin", // the cookie of /login
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    answer = await response.json();
  } catch (reason) {
    throw new Silent(`No answer from ${base || "the replica"}: ${reason.message}`);
  }
  if (response.status === 401 && !base && path !== "/login" && /^token_/.test(answer.error?.code)) {
    location.assign("/login");
  }
  if (!response.ok) {
    throw new Refused(response.status, answer.error ?? { code: "unreadable", message: response.statusText });
  }
  return answer;
}
