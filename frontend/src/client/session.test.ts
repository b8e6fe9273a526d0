// Tests of the session.

import { expect, test } from "vitest";

import { alice, bob } from "../testing/builders";
import { ManualClock } from "../testing/manual-clock";
import { settle } from "../testing/settle";
import { Http } from "./http";
import { Session, sessionEndedNotice } from "./session";

function createSession(...answers: (Response | Error)[]) {
  const clock = new ManualClock();
  const requests: string[] = [];
  const http = new Http({
    timeoutMs: 1000,
    fetch: (url, init) => {
      requests.push(`${init.method ?? ""} ${url}`);
      const answer = answers.shift() ?? new TypeError("Failed to fetch");
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  });
  const announced: string[] = [];
  const tabs = { announce: () => void announced.push("changed"), listen: () => undefined };
  return { session: new Session({ http, clock, tabs }), clock, http, requests, announced };
}

const json = (status: number, body: unknown): Response => new Response(JSON.stringify(body), { status });
const sessionOf = (user: typeof alice | null): Response => json(200, { user, csrf: "token" });
const unauthenticated = (): Response => json(401, { error: { code: "not_authenticated", message: "Sign in." } });

test("the session says who is signed in", async () => {
  const { session } = createSession(sessionOf(alice));
  await session.fetch();
  expect(session.state.value).toEqual({ status: "signed-in", user: alice });
});

test("nobody signed in is no ended session", async () => {
  const { session } = createSession(sessionOf(null));
  await session.fetch();
  expect(session.state.value).toEqual({ status: "signed-out", notice: null });
});

test("without an answer it asks again by itself", async () => {
  const { session, clock } = createSession(new TypeError("Failed to fetch"), sessionOf(alice));
  await session.fetch();
  expect(session.state.value.status).toBe("unreachable");
  clock.advance(3000);
  await settle();
  expect(session.state.value.status).toBe("signed-in");
});

test("signing in tells the other tabs", async () => {
  const { session, announced } = createSession(sessionOf(null), sessionOf(alice));
  await session.fetch();
  await session.signIn("alice", "secret");
  expect(session.state.value.status).toBe("signed-in");
  expect(announced).toEqual(["changed"]);
});

test("a sign-in that has to go on elsewhere ends nothing, and says where", async () => {
  const error = { code: "second_factor_required", message: "Go on.", location: "/accounts/2fa/authenticate/" };
  const { session } = createSession(sessionOf(null), json(401, { error }));
  await session.fetch();
  await expect(session.signIn("alice", "secret")).rejects.toMatchObject({ location: error.location });
  expect(session.state.value).toEqual({ status: "signed-out", notice: null });
});

test("a 401 from any request leads back to the sign-in with a notice", async () => {
  const { session, http } = createSession(sessionOf(alice), unauthenticated());
  await session.fetch();
  await http.get("/api/chat/rooms").catch(() => undefined);
  expect(session.state.value).toEqual({ status: "signed-out", notice: sessionEndedNotice });
});

test("signing out shows no notice and fetches a token for the next sign-in", async () => {
  const { session, requests } = createSession(
    sessionOf(alice),
    new Response(null, { status: 204 }),
    sessionOf(null),
  );
  await session.fetch();
  await session.signOut();
  expect(session.state.value).toEqual({ status: "signed-out", notice: null });
  expect(requests).toEqual(["GET /api/session", "DELETE /api/session", "GET /api/session"]);
});

test("a sign-out that does not reach the server is an error, and the session stays", async () => {
  const { session } = createSession(sessionOf(alice), new TypeError("Failed to fetch"));
  await session.fetch();
  await expect(session.signOut()).rejects.toMatchObject({ kind: "unreachable" });
  expect(session.state.value.status).toBe("signed-in");
});

test("another user in another tab takes over here too", async () => {
  const { session } = createSession(sessionOf(alice), sessionOf(bob));
  await session.fetch();
  await session.fetch();
  expect(session.state.value).toEqual({ status: "signed-in", user: bob });
});

test("a server that is away does not end the session", async () => {
  const { session } = createSession(sessionOf(alice), new TypeError("Failed to fetch"));
  await session.fetch();
  await session.fetch();
  expect(session.state.value.status).toBe("signed-in");
});
