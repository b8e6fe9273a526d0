// The chat page: the rooms, the open room and its members, side by side or one at a time.

import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { isVisible, width } from "../../environment";
import { Dialog } from "../../parts/dialog";
import { Notice } from "../../parts/notice";
import { useChat } from "./chat-context";
import type { Conversation } from "./conversation";
import { MemberList } from "./member-list";
import { NewRoomDialog } from "./new-room-dialog";
import { MissingRoom, OpeningRoom, RoomView } from "./room-view";
import { replaceRoute, roomHref, route } from "./route";
import { Sidebar } from "./sidebar";

type OpenDialog = "none" | "new-room" | "members";

export function ChatPage() {
  const { chat } = useChat();
  const dialog = useSignal<OpenDialog>("none");
  const openRoom = chat.openRoom.value;
  const conversation = openRoom.type === "open" ? openRoom.conversation : null;
  const closeDialog = (): void => {
    dialog.value = "none";
  };

  useTitle();
  useFirstRoom();
  useFreshList();
  useEffect(() => {
    if (dialog.value === "members") dialog.value = "none";
  }, [conversation, width.value, dialog]);

  const isOneAtATime = width.value === "narrow";
  const showsSidebar = !isOneAtATime || openRoom.type === "none";
  const showsRoom = !isOneAtATime || openRoom.type !== "none";
  return (
    <div class={`chat chat-${width.value}`}>
      {showsRoom && <SkipLink />}
      {showsSidebar && (
        <Sidebar
          isAlone={!showsRoom}
          onNewRoom={() => {
            dialog.value = "new-room";
          }}
        />
      )}
      {showsRoom && (
        <Middle
          onShowMembers={() => {
            dialog.value = "members";
          }}
        />
      )}
      {width.value === "wide" && (
        <aside class="members" aria-labelledby="members-title">
          <h2 id="members-title">
            Here now
            <MemberCount conversation={conversation} />
          </h2>
          {conversation !== null && <MemberList conversation={conversation} />}
        </aside>
      )}
      {dialog.value === "new-room" && <NewRoomDialog onClose={closeDialog} />}
      {dialog.value === "members" && conversation !== null && (
        <Dialog title="Here now" place="side" onClose={closeDialog}>
          <MemberList conversation={conversation} />
        </Dialog>
      )}
    </div>
  );
}

function Middle({ onShowMembers }: { onShowMembers: () => void }) {
  const { chat } = useChat();
  const openRoom = chat.openRoom.value;
  switch (openRoom.type) {
    case "open":
      return (
        <RoomView
          key={openRoom.conversation.room.slug}
          conversation={openRoom.conversation}
          onShowMembers={onShowMembers}
        />
      );
    case "missing":
      return <MissingRoom slug={openRoom.slug} />;
    case "opening":
      return chat.directory.status.value === "failed" ? <NoRoom /> : <OpeningRoom />;
    case "none":
      return <NoRoom />;
  }
}

function NoRoom() {
  const { chat } = useChat();
  const { status, problem } = chat.directory;
  return (
    <main class="room-view" id="main" tabIndex={-1}>
      {status.value === "failed" ? (
        <Notice title="The rooms could not be loaded" heading="h1">
          <p>{problem.value}</p>
          <button type="button" class="button" onClick={() => void chat.directory.refresh()}>
            Try again
          </button>
        </Notice>
      ) : (
        <Notice title="Choose a room" heading="h1">
          <p>Its messages show up here.</p>
        </Notice>
      )}
    </main>
  );
}

function MemberCount({ conversation }: { conversation: Conversation | null }) {
  const count = conversation?.members.value?.length;
  return count === undefined ? null : <span class="count">{count}</span>;
}

/** Not a plain link to a fragment: the fragment is the route. */
function SkipLink() {
  return (
    <a
      class="skip-link"
      href="#main"
      onClick={(event) => {
        event.preventDefault();
        (document.getElementById("composer-input") ?? document.getElementById("main"))?.focus();
      }}
    >
      Skip to the message field
    </a>
  );
}

/** The tab's title: the room, and how much is unread while nobody looks. */
function useTitle(): void {
  const { chat } = useChat();
  useSignalEffect(() => {
    const openRoom = chat.openRoom.value;
    if (openRoom.type !== "open") {
      document.title = "Switchboard";
      return;
    }
    const { room, unreadCount } = openRoom.conversation;
    const unread = isVisible.value ? 0 : unreadCount.value;
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${room.name} · Switchboard`;
  });
}

/** Where there is space for a room beside the list, one is open: the last one, or else the first. */
function useFirstRoom(): void {
  const { chat } = useChat();
  useSignalEffect(() => {
    const rooms = chat.directory.rooms.value;
    if (width.value === "narrow" || route.value.slug !== null) return;
    const room = rooms.find((known) => known.slug === chat.lastRoom) ?? rooms[0];
    if (room !== undefined) replaceRoute(roomHref(room.slug));
  });
}

/** Other rooms' latest messages are not pushed here: look again when the user does. */
function useFreshList(): void {
  const { chat } = useChat();
  useEffect(() => {
    let wasVisible = true;
    return isVisible.subscribe((isSeen) => {
      if (isSeen && !wasVisible) void chat.directory.refresh();
      wasVisible = isSeen;
    });
  }, [chat]);
}
