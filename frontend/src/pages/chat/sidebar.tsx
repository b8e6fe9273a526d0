// The side of the page: the product, the rooms, and the user's own corner.

import { useSignal } from "@preact/signals";

import { Avatar } from "../../parts/avatar";
import { AccountIcon, Mark, SignOutIcon } from "../../parts/icons";
import { ThemeToggle } from "../../parts/theme-toggle";
import { useChat } from "./chat-context";
import { ConnectionStatus } from "./connection-status";
import { RoomList } from "./room-list";

export interface SidebarProps {
  /** No room beside it: it is what the page is about. */
  isAlone: boolean;
  onNewRoom: () => void;
}

export function Sidebar({ isAlone, onNewRoom }: SidebarProps) {
  const { chat } = useChat();
  const Landmark = isAlone ? "main" : "div";
  return (
    <Landmark class="sidebar">
      <header class="sidebar-head">
        <Mark />
        <span class="brand">Switchboard</span>
        <ConnectionStatus />
      </header>
      <RoomList heading={isAlone ? "h1" : "h2"} onNewRoom={onNewRoom} />
      <footer class="sidebar-foot">
        <Avatar user={String(chat.user.id)} name={chat.user.name} size="small" />
        <span class="sidebar-user" data-testid="current-user">
          {chat.user.name}
        </span>
        <ThemeToggle />
        <a
          class="icon-button"
          href="/accounts/email/"
          aria-label="Account settings"
          title="Account settings"
          data-testid="account-settings"
        >
          <AccountIcon />
        </a>
        <SignOutButton />
      </footer>
    </Landmark>
  );
}

function SignOutButton() {
  const { signOut } = useChat();
  const hasFailed = useSignal(false);
  const label = hasFailed.value ? "Could not sign out. Try again" : "Sign out";
  return (
    <button
      type="button"
      class={hasFailed.value ? "icon-button icon-button-problem" : "icon-button"}
      aria-label={label}
      title={label}
      data-testid="sign-out"
      onClick={() => {
        signOut().catch(() => {
          hasFailed.value = true;
        });
      }}
    >
      <SignOutIcon />
    </button>
  );
}
