// What every part of the chat page needs: the chat and the few things that reach beyond it.

import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Chat } from "./chat";

export interface ChatContextValue {
  readonly chat: Chat;
  /** Try to connect at once. */
  readonly reconnect: () => void;
  /** Rejects when the server cannot be told. */
  readonly signOut: () => Promise<void>;
}

export const ChatContext = createContext<ChatContextValue | null>(null);

export function useChat(): ChatContextValue {
  const value = useContext(ChatContext);
  if (value === null) throw new Error("got no chat, expected to be rendered inside ChatContext.Provider");
  return value;
}
