// Tests of the connection: the real SDK, on a socket whose other end is played by the test.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { CentrifugeConnection, type Continuity } from "./connection";
import { systemClock } from "./clock";
import { ApiError } from "./http";

interface Command {
  id: number;
  connect?: { token: string };
  subscribe?: { channel: string; recover?: boolean; epoch?: string; offset?: number };
  presence?: { channel: string };
  publish?: { channel: string; data: unknown };
}

type Answer = Record<string, unknown>;

/** Answers each command at once, as `respond` says. */
class ScriptedSocket extends EventTarget {
  static readonly open: ScriptedSocket[] = [];
  static respond: (command: Command) => Answer | null = () => null;

  readonly commands: Command[] = [];
  readyState = 0;
  binaryType = "blob";
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;

  constructor() {
    super();
    ScriptedSocket.open.push(this);
    queueMicrotask(() => {
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(frame: string): void {
    for (const line of frame.split("\n")) {
      const command = JSON.parse(line) as Command;
      this.commands.push(command);
      const answer = ScriptedSocket.respond(command);
      if (answer !== null) queueMicrotask(() => this.receive({ id: command.id, ...answer }));
    }
  }

  receive(reply: unknown): void {
    this.onmessage?.({ data: JSON.stringify(reply) });
  }

  close(code = 1000, reason = ""): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    queueMicrotask(() => this.onclose?.({ code, reason }));
  }
}

let tokens: number;
let connection: CentrifugeConnection;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", ScriptedSocket);
  ScriptedSocket.open.length = 0;
  ScriptedSocket.respond = accept;
  tokens = 0;
  connection = createConnection(() => Promise.resolve(`token-${++tokens}`));
});

afterEach(() => {
  connection.disconnect();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("the state follows the connection", async () => {
  expect(connection.state.value).toBe("connecting");
  connection.connect();
  await pass(10);
  expect(connection.state.value).toBe("connected");
  socket().close(3001, "shutdown");
  await pass(1);
  expect(connection.state.value).toBe("connecting");
  await pass(10_000);
  expect(connection.state.value).toBe("connected");
  expect(tokens).toBe(1);
});

test("a return says whether everything missed will follow", async () => {
  const continuities: Continuity[] = [];
  connection.openTopic("chat:lobby", {
    onPublication: () => undefined,
    onSubscribed: (continuity) => continuities.push(continuity),
  });
  connection.connect();
  await pass(10);
  let recovered = true;
  ScriptedSocket.respond = (command) =>
    command.subscribe?.recover
      ? { subscribe: { recoverable: true, epoch: "e", offset: 0, was_recovering: true, recovered } }
      : accept(command);
  socket().close(3000);
  await pass(10_000);
  recovered = false;
  socket().close(3000);
  await pass(10_000);
  expect(continuities).toEqual(["new", "recovered", "gap"]);
});

test("publications come with who published them", async () => {
  const received: unknown[] = [];
  connection.openTopic("typing:lobby", {
    onPublication: (data, publisher) => received.push([data, publisher]),
  });
  connection.connect();
  await pass(10);
  const info = { client: "c", user: "2", conn_info: { name: "Bob" } };
  socket().receive({ push: { channel: "typing:lobby", pub: { data: { typing: true }, info } } });
  socket().receive({ push: { channel: "typing:lobby", pub: { data: { typing: false } } } });
  await pass(1);
  expect(received).toEqual([
    [{ typing: true }, { client: "c", user: "2", name: "Bob" }],
    [{ typing: false }, null],
  ]);
});

test("a handler that throws does not end the connection", async () => {
  const report = vi.spyOn(console, "error").mockImplementation(() => undefined);
  connection.openTopic("chat:lobby", {
    onPublication: () => {
      throw new Error("bad publication");
    },
  });
  connection.connect();
  await pass(10);
  socket().receive({ push: { channel: "chat:lobby", pub: { data: 1, offset: 1 } } });
  await pass(10_000);
  expect(connection.state.value).toBe("connected");
  expect(report).toHaveBeenCalledOnce();
});

test("presence lists the clients of a topic", async () => {
  const topic = connection.openTopic("chat:lobby", { onPublication: () => undefined });
  connection.connect();
  await pass(10);
  const presence = topic.fetchPresence();
  await pass(10);
  expect(await presence).toEqual([{ client: "c", user: "2", name: "" }]);
});

test("a token that the server turns down is replaced by a new one", async () => {
  ScriptedSocket.respond = (command) => (command.connect?.token === "token-1" ? null : accept(command));
  connection.connect();
  await pass(10);
  socket().close(3500, "invalid token");
  await pass(100);
  expect(connection.state.value).toBe("connected");
  expect(tokens).toBe(2);
});

test("where the new token is turned down too, the next one is asked for later", async () => {
  ScriptedSocket.respond = () => null;
  connection.connect();
  await pass(10);
  socket().close(3500, "invalid token");
  await pass(100);
  socket().close(3500, "invalid token");
  await pass(1500);
  expect(tokens).toBe(2);
  expect(connection.state.value).toBe("disconnected");
  await pass(1000);
  expect(tokens).toBe(3);
});

test("who is disconnected for good asks once whether the session still stands", async () => {
  connection.connect();
  await pass(100);
  socket().close(3503, "force disconnect");
  await pass(30_000);
  expect(tokens).toBe(2);
  expect(connection.state.value).toBe("disconnected");
});

test("a lapsed session ends the attempts, any other failure does not", async () => {
  const failures: ApiError[] = [
    new ApiError("unreachable", "No answer.", { status: 0, code: "unreachable" }),
    new ApiError("unauthenticated", "Sign in.", { status: 401, code: "not_authenticated" }),
  ];
  let asked = 0;
  connection = createConnection(() => {
    asked += 1;
    const failure = failures.shift();
    return failure === undefined ? Promise.resolve("token") : Promise.reject(failure);
  });
  connection.connect();
  await pass(30_000);
  expect(asked).toBe(2);
  expect(connection.state.value).toBe("disconnected");
});

test("a closed topic is left, and can be opened again", async () => {
  const received: unknown[] = [];
  const handlers = { onPublication: (data: unknown) => received.push(data) };
  const topic = connection.openTopic("chat:lobby", handlers);
  connection.connect();
  await pass(10);
  topic.close();
  connection.openTopic("chat:lobby", handlers);
  await pass(10);
  socket().receive({ push: { channel: "chat:lobby", pub: { data: "once", offset: 1 } } });
  await pass(1);
  expect(received).toEqual(["once"]);
});

function createConnection(fetchToken: () => Promise<string>): CentrifugeConnection {
  return new CentrifugeConnection({ url: "ws://server.example/connection/websocket", fetchToken, clock: systemClock });
}

function accept(command: Command): Answer | null {
  if (command.connect !== undefined) return { connect: { client: "me", version: "0", ping: 25, pong: true } };
  if (command.subscribe !== undefined) return { subscribe: { recoverable: true, epoch: "e", offset: 0 } };
  if (command.presence !== undefined) return { presence: { presence: { c: { client: "c", user: "2" } } } };
  return "unsubscribe" in command ? { unsubscribe: {} } : null;
}

function socket(): ScriptedSocket {
  const newest = ScriptedSocket.open.at(-1);
  if (newest === undefined) throw new Error("got no socket, expected one");
  return newest;
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}
