// The connection's state in words: a small line that is always there, and a banner when it lasts.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { ConnectionState } from "../../client/connection";
import { isOnline } from "../../environment";
import { useChat } from "./chat-context";

interface Shown {
  state: ConnectionState;
  label: string;
  /** For the banner. */
  sentence: string;
}

const connected: Shown = { state: "connected", label: "Connected", sentence: "" };
const connecting: Shown = {
  state: "connecting",
  label: "Connecting…",
  sentence: "Trying to reach the server.",
};
const offline: Shown = { state: "disconnected", label: "Offline", sentence: "You are offline." };
const disconnected: Shown = {
  state: "disconnected",
  label: "Disconnected",
  sentence: "The server ended the connection.",
};

function describe(state: ConnectionState, isNetworkThere: boolean): Shown {
  switch (state) {
    case "connected":
      return connected;
    // The SDK keeps trying without a network; people call that offline.
    case "connecting":
      return isNetworkThere ? connecting : offline;
    case "disconnected":
      return isNetworkThere ? disconnected : offline;
  }
}

export function ConnectionStatus() {
  const { chat } = useChat();
  const { state, label } = describe(chat.connection.state.value, isOnline.value);
  return (
    <p class="connection" role="status" data-testid="connection-state" data-state={state}>
      <span class="connection-dot" aria-hidden="true" />
      <span class="connection-label">{label}</span>
    </p>
  );
}

/** A short break needs no words. */
const patienceMs = 2000;

export function ConnectionBanner() {
  const { chat, reconnect } = useChat();
  const { state, sentence } = describe(chat.connection.state.value, isOnline.value);
  const isLong = useSignal(false);

  useEffect(() => {
    isLong.value = false;
    if (state === "connected") return;
    const timer = setTimeout(() => {
      isLong.value = true;
    }, patienceMs);
    return () => clearTimeout(timer);
  }, [state, isLong]);

  if (state === "connected" || !isLong.value) return null;
  const waiting = chat.outbox.entries.value.filter((entry) => entry.state === "sending").length;
  return (
    <div class="connection-banner" data-testid="connection-banner">
      <p>
        {sentence}{" "}
        {waiting === 0
          ? "What you write is kept and sent when the connection is back."
          : `${waiting === 1 ? "1 message waits" : `${waiting} messages wait`} to be sent.`}
      </p>
      <button type="button" class="button button-small" onClick={reconnect}>
        Try now
      </button>
    </div>
  );
}
