// Tests of HTTP to Django: what is sent, and which error each failure becomes.

import { expect, test } from "vitest";

import { ApiError, Http } from "./http";

interface Request {
  url: string;
  init: RequestInit;
}

function createHttp(...answers: (Response | Error)[]) {
  const requests: Request[] = [];
  const http = new Http({
    timeoutMs: 1000,
    fetch: (url, init) => {
      requests.push({ url, init });
      const answer = answers.shift();
      if (answer === undefined) throw new Error(`got an unexpected request: ${url}`);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  });
  return { http, requests };
}

const json = (status: number, body: unknown): Response =>
  new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });

const errorBody = (code: string, message: string): unknown => ({ error: { code, message } });

async function failureOf(promise: Promise<unknown>): Promise<ApiError> {
  const outcome: unknown = await promise.catch((error: unknown) => error);
  if (!(outcome instanceof ApiError)) throw new Error("got no ApiError, expected one");
  return outcome;
}

test("a write carries the CSRF token and its body as JSON", async () => {
  const { http, requests } = createHttp(json(201, { id: 1 }));
  http.setCsrfToken("token");
  expect(await http.post("/api/things", { a: 1 })).toEqual({ id: 1 });
  expect(requests[0]?.init).toMatchObject({
    method: "POST",
    body: '{"a":1}',
    credentials: "same-origin",
    headers: { "X-CSRFToken": "token", "Content-Type": "application/json" },
  });
});

test("a read carries no CSRF token", async () => {
  const { http, requests } = createHttp(json(200, {}));
  http.setCsrfToken("token");
  await http.get("/api/things");
  expect(requests[0]?.init.headers).toEqual({ Accept: "application/json" });
});

test("an answer without content is null", async () => {
  const { http } = createHttp(new Response(null, { status: 204 }));
  expect(await http.delete("/api/session")).toBeNull();
});

test("the API's own error keeps its code and text", async () => {
  const { http } = createHttp(json(409, errorBody("room_exists", "There is already a room named “A”.")));
  const error = await failureOf(http.post("/api/chat/rooms", {}));
  expect(error).toMatchObject({
    kind: "refused",
    status: 409,
    code: "room_exists",
    message: "There is already a room named “A”.",
    isTemporary: false,
  });
});

test.each([
  [400, "refused", false],
  [401, "unauthenticated", false],
  [404, "refused", false],
  [429, "busy", true],
  [500, "broken", false],
  [502, "busy", true],
  [503, "busy", true],
  [504, "busy", true],
])("status %i with a page of HTML is %s", async (status, kind, isTemporary) => {
  const { http } = createHttp(new Response("<h1>Sorry</h1>", { status }));
  const error = await failureOf(http.get("/api/things"));
  expect(error).toMatchObject({ kind, status, code: `http_${status}`, isTemporary });
  expect(error.message).not.toBe("");
});

test("no answer is unreachable", async () => {
  const { http } = createHttp(new TypeError("Failed to fetch"));
  expect(await failureOf(http.get("/api/things"))).toMatchObject({ kind: "unreachable", isTemporary: true });
});

test("an answer that is cut off is unreachable", async () => {
  const body = new ReadableStream({ start: (controller) => controller.error(new TypeError("cut")) });
  const { http } = createHttp(new Response(body, { status: 200 }));
  expect(await failureOf(http.get("/api/things"))).toMatchObject({ kind: "unreachable" });
});

test("a good status with something else than JSON is broken", async () => {
  const { http } = createHttp(new Response("<h1>Hello</h1>", { status: 200 }));
  expect(await failureOf(http.get("/api/things"))).toMatchObject({ kind: "broken", code: "not_json" });
});

test("a 401 ends the session", async () => {
  const { http } = createHttp(json(401, errorBody("not_authenticated", "Sign in.")));
  const ends: string[] = [];
  http.onUnauthenticated = (error) => ends.push(error.code);
  await failureOf(http.get("/api/chat/rooms"));
  expect(ends).toEqual(["not_authenticated"]);
});

test("a wrong password ends no session", async () => {
  const { http } = createHttp(json(401, errorBody("invalid_credentials", "No.")));
  const ends: string[] = [];
  http.onUnauthenticated = (error) => ends.push(error.code);
  await failureOf(http.post("/api/session", {}));
  expect(ends).toEqual([]);
});

test("a write that is forbidden is tried once more with a fresh CSRF token", async () => {
  const { http, requests } = createHttp(
    new Response("CSRF", { status: 403 }),
    json(200, { user: null, csrf: "fresh" }),
    json(201, { id: 1 }),
  );
  http.setCsrfToken("stale");
  expect(await http.post("/api/things", {})).toEqual({ id: 1 });
  expect(requests.map(({ url }) => url)).toEqual(["/api/things", "/api/session", "/api/things"]);
  expect(requests[2]?.init.headers).toMatchObject({ "X-CSRFToken": "fresh" });
});

test("a write that stays forbidden is refused", async () => {
  const { http, requests } = createHttp(
    json(403, errorBody("forbidden", "Not yours.")),
    json(200, { user: null, csrf: "fresh" }),
    json(403, errorBody("forbidden", "Not yours.")),
  );
  expect(await failureOf(http.post("/api/things", {}))).toMatchObject({ kind: "refused", message: "Not yours." });
  expect(requests).toHaveLength(3);
});
