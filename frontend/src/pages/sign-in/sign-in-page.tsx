// The sign-in page: an account's name and password. What else there is to an account, Django's pages have.

import { useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

import { ApiError } from "../../client/http";
import { Field } from "../../parts/field";
import { Mark } from "../../parts/icons";
import { ThemeToggle } from "../../parts/theme-toggle";

export interface SignInPageProps {
  /** Why the user is here again; null when they just came. */
  notice: string | null;
  /** Rejects with ApiError. */
  signIn: (username: string, password: string) => Promise<void>;
  /** Leaves for another page of the site. */
  leaveFor: (location: string) => void;
}

interface Problems {
  username: string | null;
  password: string | null;
  form: string | null;
}

const noProblems: Problems = { username: null, password: null, form: null };

export function SignInPage({ notice, signIn, leaveFor }: SignInPageProps) {
  const username = useSignal("");
  const password = useSignal("");
  const problems = useSignal<Problems>(noProblems);
  const isBusy = useSignal(false);
  const usernameRef = useRef<HTMLInputElement>(null);
  const passwordRef = useRef<HTMLInputElement>(null);

  useLayoutEffect(() => {
    document.title = "Sign in · Switchboard";
    usernameRef.current?.focus();
  }, []);

  const submit = async (): Promise<void> => {
    if (isBusy.value) return;
    problems.value = {
      username: username.value.trim() === "" ? "Enter your user name or e-mail address." : null,
      password: password.value === "" ? "Enter your password." : null,
      form: null,
    };
    if (problems.value.username !== null) return usernameRef.current?.focus();
    if (problems.value.password !== null) return passwordRef.current?.focus();
    isBusy.value = true;
    try {
      await signIn(username.value.trim(), password.value);
    } catch (error) {
      if (error instanceof ApiError && error.code === "second_factor_required" && error.location !== null) {
        leaveFor(error.location);
        return;
      }
      problems.value = { ...noProblems, form: describe(error) };
      const isWrong = error instanceof ApiError && error.code === "invalid_credentials";
      if (isWrong) {
        password.value = "";
        passwordRef.current?.focus();
      }
    } finally {
      isBusy.value = false;
    }
  };

  return (
    <main class="sign-in">
      <div class="sign-in-corner">
        <ThemeToggle />
      </div>
      <form
        class="sign-in-card"
        aria-labelledby="sign-in-title"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div class="sign-in-brand">
          <Mark />
          <span>Switchboard</span>
        </div>
        <h1 id="sign-in-title">Sign in</h1>
        <p class="sign-in-lead">Use your account to join the rooms of your team.</p>
        {notice !== null && problems.value.form === null && (
          <p class="banner banner-info" role="status">
            {notice}
          </p>
        )}
        <div role="alert">
          {problems.value.form !== null && (
            <p class="banner banner-problem" data-testid="sign-in-error">
              {problems.value.form}
            </p>
          )}
        </div>
        <Field
          label="User name or e-mail address"
          name="username"
          autocomplete="username"
          isRequired
          value={username.value}
          onInput={(value) => {
            username.value = value;
          }}
          error={problems.value.username}
          inputRef={usernameRef}
          testId="sign-in-username"
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autocomplete="current-password"
          isRequired
          value={password.value}
          onInput={(value) => {
            password.value = value;
          }}
          error={problems.value.password}
          inputRef={passwordRef}
          testId="sign-in-password"
        />
        <button
          type="submit"
          class="button button-primary"
          aria-disabled={isBusy.value}
          data-testid="sign-in-submit"
        >
          {isBusy.value ? "Signing in…" : "Sign in"}
        </button>
        <ul class="sign-in-links">
          <li>
            <a href="/accounts/login/">Passkey or other ways to sign in</a>
          </li>
          <li>
            <a href="/accounts/password/reset/">Forgot your password?</a>
          </li>
          <li>
            <a href="/accounts/signup/">Create an account</a>
          </li>
        </ul>
      </form>
    </main>
  );
}

function describe(error: unknown): string {
  if (!(error instanceof ApiError)) return "Something went wrong. Try again.";
  // The API's text speaks to developers too; this one is the user's.
  if (error.code === "invalid_credentials") {
    return "That user name and password do not match. Check both and try again.";
  }
  if (error.code === "email_unconfirmed") {
    return "Your e-mail address is not confirmed yet. Follow the link in the message that was sent to it.";
  }
  return error.message;
}
