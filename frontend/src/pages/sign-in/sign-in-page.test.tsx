// Tests of the sign-in page: what is said, and where the focus goes.

import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, test } from "vitest";

import { ApiError } from "../../client/http";
import { settle } from "../../testing/settle";
import { SignInPage } from "./sign-in-page";

let root: HTMLElement;
let attempts: [string, string][];
let failure: ApiError | null;
let left: string[];

beforeEach(() => {
  root = document.body.appendChild(document.createElement("div"));
  attempts = [];
  failure = null;
  left = [];
});

afterEach(() => {
  render(null, root);
  root.remove();
});

test("the user name has the focus, and the notice is there", async () => {
  await show("Your session has ended.");
  expect(document.activeElement).toBe(field("username"));
  expect(root.textContent).toContain("Your session has ended.");
});

test("a name and a password are sent", async () => {
  await show();
  await fill("username", " alice ");
  await fill("password", "secret ");
  await submit();
  expect(attempts).toEqual([["alice", "secret "]]);
});

test("an empty field is named, marked and focused, and nothing is sent", async () => {
  await show();
  await fill("username", "alice");
  await submit();
  expect(attempts).toEqual([]);
  expect(root.textContent).toContain("Enter your password.");
  expect(document.activeElement).toBe(field("password"));
  expect(field("password").getAttribute("aria-invalid")).toBe("true");
  const describedBy = field("password").getAttribute("aria-describedby") ?? "";
  expect(document.getElementById(describedBy)?.textContent).toBe("Enter your password.");
});

test("a wrong password is told, emptied and focused", async () => {
  failure = new ApiError("unauthenticated", "got alice", { status: 401, code: "invalid_credentials" });
  await show();
  await fill("username", "alice");
  await fill("password", "wrong");
  await submit();
  expect(root.querySelector("[role=alert]")?.textContent).toContain("do not match");
  expect(field("password").value).toBe("");
  expect(document.activeElement).toBe(field("password"));
});

test("a server that cannot be reached is told, and the password stays", async () => {
  failure = new ApiError("unreachable", "The server cannot be reached.", { status: 0, code: "unreachable" });
  await show();
  await fill("username", "alice");
  await fill("password", "secret");
  await submit();
  expect(root.querySelector("[role=alert]")?.textContent).toBe("The server cannot be reached.");
  expect(field("password").value).toBe("secret");
});

test("who has a second factor goes on at the page that asks for it", async () => {
  const location = "/accounts/2fa/authenticate/";
  failure = new ApiError("unauthenticated", "Go on.", { status: 401, code: "second_factor_required", location });
  await show();
  await fill("username", "alice");
  await fill("password", "secret");
  await submit();
  expect(left).toEqual([location]);
  expect(root.querySelector("[role=alert]")?.textContent).toBe("");
});

async function show(notice: string | null = null): Promise<void> {
  const signIn = (username: string, password: string): Promise<void> => {
    attempts.push([username, password]);
    return failure === null ? Promise.resolve() : Promise.reject(failure);
  };
  await act(() => render(<SignInPage notice={notice} signIn={signIn} leaveFor={(location) => left.push(location)} />, root));
}

function field(name: string): HTMLInputElement {
  const input = root.querySelector<HTMLInputElement>(`[data-testid="sign-in-${name}"]`);
  if (input === null) throw new Error(`got no field ${name}`);
  return input;
}

async function fill(name: string, value: string): Promise<void> {
  await act(() => {
    field(name).value = value;
    field(name).dispatchEvent(new Event("input", { bubbles: true }));
  });
}

async function submit(): Promise<void> {
  await act(async () => {
    root.querySelector("form")?.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    await settle();
  });
}
