// HTTP to Django: JSON in and out, the CSRF header, a time limit, and one error type for every failure.

import { DecodeError, decodeObject, decodeString } from "./decode";

/** What went wrong, by what the caller can do about it. */
export type ApiErrorKind =
  /** No answer: offline, a restarting server, a time-out. The request may have been carried out. */
  | "unreachable"
  /** The server is there but cannot serve now (429, 502, 503, 504). Ask again later. */
  | "busy"
  /** No session, or it ended (401). Sign in. */
  | "unauthenticated"
  /** The request was understood and turned down (other 4xx). Asking again changes nothing. */
  | "refused"
  /** The server failed, or answered with something that is not the API (5xx, bad JSON). */
  | "broken";

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly kind: ApiErrorKind;
  /** 0 when there was no answer. */
  readonly status: number;
  /** The API's word for the error, such as "invalid_credentials". */
  readonly code: string;
  /** The page of this site where the person goes on; null where there is none. */
  readonly location: string | null;

  constructor(
    kind: ApiErrorKind,
    message: string,
    details: { status: number; code: string; location?: string | null },
  ) {
    super(message);
    this.kind = kind;
    this.status = details.status;
    this.code = details.code;
    this.location = details.location ?? null;
  }

  /** The same request may succeed later without anybody changing anything. */
  get isTemporary(): boolean {
    return this.kind === "unreachable" || this.kind === "busy";
  }
}

/** Answers to a sign-in that opened no session: there is none that such a 401 could end. */
const signInCodes = ["invalid_credentials", "second_factor_required", "email_unconfirmed"];

export type Method = "GET" | "POST" | "DELETE";

export interface HttpOptions {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  timeoutMs: number;
}

export class Http {
  readonly #options: HttpOptions;
  #csrfToken = "";
  /** Called for each 401 that means "your session is over". */
  onUnauthenticated: (error: ApiError) => void = () => undefined;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** The token of the latest session answer; Django changes it at sign-in. */
  setCsrfToken(token: string): void {
    this.#csrfToken = token;
  }

  get(path: string): Promise<unknown> {
    return this.#request("GET", path, undefined);
  }

  post(path: string, body?: unknown): Promise<unknown> {
    return this.#request("POST", path, body);
  }

  delete(path: string): Promise<unknown> {
    return this.#request("DELETE", path, undefined);
  }

  async #request(method: Method, path: string, body: unknown): Promise<unknown> {
    let response = await this.#fetch(method, path, body);
    // Signing in from another tab changes the CSRF cookie, and Django then turns down this tab's
    // token before it runs anything: a fresh token makes one more try safe.
    if (response.status === 403 && method !== "GET") {
      await this.#refreshCsrfToken();
      response = await this.#fetch(method, path, body);
    }
    if (response.ok) return response.status === 204 ? null : await readJson(response);
    const error = await readError(response);
    if (error.kind === "unauthenticated" && !signInCodes.includes(error.code)) {
      this.onUnauthenticated(error);
    }
    throw error;
  }

  async #refreshCsrfToken(): Promise<void> {
    const response = await this.#fetch("GET", "/api/session", undefined);
    if (!response.ok) return;
    const { csrf } = decodeObject(await readJson(response));
    if (typeof csrf === "string") this.#csrfToken = csrf;
  }

  async #fetch(method: Method, path: string, body: unknown): Promise<Response> {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (method !== "GET") headers["X-CSRFToken"] = this.#csrfToken;
    try {
      return await this.#options.fetch(path, {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        credentials: "same-origin",
        cache: "no-store",
        signal: AbortSignal.timeout(this.#options.timeoutMs),
      });
    } catch {
      throw unreachable();
    }
  }
}

function unreachable(): ApiError {
  return new ApiError("unreachable", "The server cannot be reached. Check your connection.", {
    status: 0,
    code: "unreachable",
  });
}

async function readJson(response: Response): Promise<unknown> {
  let text: string;
  try {
    text = await response.text();
  } catch {
    throw unreachable(); // The connection was cut in the middle of the answer.
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ApiError("broken", "The server sent an answer that is not JSON.", {
      status: response.status,
      code: "not_json",
    });
  }
}

/** The API's own error body where there is one; a proxy's HTML page has none. */
async function readError(response: Response): Promise<ApiError> {
  const { status } = response;
  let code = `http_${status}`;
  let message = defaultMessage(status);
  let location: string | null = null;
  try {
    const body = decodeObject(await readJson(response));
    const error = decodeObject(body["error"], "error");
    code = decodeString(error["code"], "error.code");
    message = decodeString(error["message"], "error.message");
    if (typeof error["location"] === "string") location = error["location"];
  } catch (cause) {
    if (!(cause instanceof ApiError || cause instanceof DecodeError)) throw cause;
  }
  return new ApiError(kindOf(status), message, { status, code, location });
}

function kindOf(status: number): ApiErrorKind {
  if (status === 401) return "unauthenticated";
  if (status === 429 || status === 502 || status === 503 || status === 504) return "busy";
  return status >= 400 && status < 500 ? "refused" : "broken";
}

function defaultMessage(status: number): string {
  switch (kindOf(status)) {
    case "unauthenticated":
      return "You are not signed in.";
    case "busy":
      return "The server is busy. Try again in a moment.";
    case "refused":
      return `The server turned the request down (${status}).`;
    case "broken":
    case "unreachable":
      return `Something went wrong on the server (${status}). Try again in a moment.`;
  }
}
