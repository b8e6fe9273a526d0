// The app: the sign-in or the chat, as the session says. Each signed-in user gets a chat of their own.

import { useEffect, useState } from "preact/hooks";

import { createChatApi } from "./client/chat-api";
import { systemClock } from "./client/clock";
import { CentrifugeConnection } from "./client/connection";
import type { Http } from "./client/http";
import type { Session } from "./client/session";
import { createStorage } from "./client/storage";
import type { User } from "./client/user";
import { Chat } from "./pages/chat/chat";
import { ChatContext, type ChatContextValue } from "./pages/chat/chat-context";
import { ChatPage } from "./pages/chat/chat-page";
import { routeSlug } from "./pages/chat/route";
import { SignInPage } from "./pages/sign-in/sign-in-page";

export interface AppProps {
  http: Http;
  session: Session;
  connectionUrl: string;
}

export function App({ http, session, connectionUrl }: AppProps) {
  const state = session.state.value;
  switch (state.status) {
    case "loading":
      return <Splash text={null} />;
    case "unreachable":
      return <Splash text={`${state.message} Trying again…`} />;
    case "signed-out":
      return (
        <SignInPage
          notice={state.notice}
          signIn={(username, password) => session.signIn(username, password)}
          leaveFor={(location) => window.location.assign(location)}
        />
      );
    case "signed-in":
      return (
        <SignedIn
          key={state.user.id}
          user={state.user}
          http={http}
          session={session}
          connectionUrl={connectionUrl}
        />
      );
  }
}

function SignedIn({ user, http, session, connectionUrl }: AppProps & { user: User }) {
  const [running, setRunning] = useState<ChatContextValue | null>(null);

  useEffect(() => {
    const api = createChatApi(http);
    const connection = new CentrifugeConnection({
      url: connectionUrl,
      fetchToken: () => api.fetchConnectionToken(),
      clock: systemClock,
    });
    const chat = new Chat({
      user,
      api,
      connection,
      clock: systemClock,
      newClientId: createUuid,
      tabStorage: createStorage(() => window.sessionStorage),
      browserStorage: createStorage(() => window.localStorage),
      slug: routeSlug,
    });
    connection.connect();
    const signOut = async () => {
      // First: the server ends the socket with the session, and would refuse the page a new token.
      connection.disconnect();
      try {
        await session.signOut();
      } catch (error) {
        connection.connect();
        throw error;
      }
    };
    setRunning({ chat, reconnect: () => connection.reconnect(), signOut });
    return () => {
      // First: after signing out the server ends the socket too, and what the chat takes leave with
      // would be sent into a closing one.
      connection.disconnect();
      chat.close();
    };
  }, [user, http, session, connectionUrl]);

  if (running === null) return null;
  return (
    <ChatContext.Provider value={running}>
      <ChatPage />
    </ChatContext.Provider>
  );
}

function Splash({ text }: { text: string | null }) {
  return (
    <main class="splash" role="status">
      <p>{text ?? "Loading…"}</p>
    </main>
  );
}

/** Not crypto.randomUUID: browsers offer that on secure origins only, and a test server may be plain HTTP. */
function createUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // RFC 9562, 5.4: version 4, variant 10.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
