// The connection's state in words: a small line that is always there, and a banner when it lasts.

import { useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import type { ConnectionState } from "../../client/connection";
import { isOnline } from "../../environment";
import { useChat } from "./chat-context";

const labels: Record<ConnectionState, string> = {
  connected: "Connected",
  connecting: "Connecting…",
  disconnected: "Offline",
};

/** The SDK keeps trying without a network; people call that offline. */
function useShownState(): ConnectionState {
  const { chat } = useChat();
  const state = useComputed<ConnectionState>(() => {
    const actual = chat.connection.state.value;
    return actual === "connecting" && !isOnline.value ? "disconnected" : actual;
  });
  return state.value;
}

export function ConnectionStatus() {
  const state = useShownState();
  return (
    <p class="connection" role="status" data-testid="connection-state" data-state={state}>
      <span class="connection-dot" aria-hidden="true" />
      <span class="connection-label">{labels[state]}</span>
    </p>
  );
}

/** A short break needs no words. */
const patienceMs = 2000;

export function ConnectionBanner() {
  const { chat, reconnect } = useChat();
  const state = useShownState();
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
        {state === "connecting" ? "Trying to reach the server." : "You are offline."}{" "}
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
