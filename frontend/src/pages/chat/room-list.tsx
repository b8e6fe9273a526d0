// The list of rooms, with the latest words of each and a mark where something is unread.

import type { Room } from "../../client/room";
import { Notice } from "../../parts/notice";
import { PlusIcon } from "../../parts/icons";
import { useChat } from "./chat-context";
import { roomHref, route } from "./route";
import { formatShort } from "./times";

export interface RoomListProps {
  heading: "h1" | "h2";
  onNewRoom: () => void;
}

export function RoomList({ heading: Heading, onNewRoom }: RoomListProps) {
  const { chat } = useChat();
  const { rooms, status, problem } = chat.directory;
  return (
    <nav class="rooms" aria-labelledby="rooms-title">
      <header class="rooms-head">
        <Heading id="rooms-title">Rooms</Heading>
        <button
          type="button"
          class="icon-button"
          aria-label="New room"
          title="New room"
          data-testid="new-room"
          onClick={onNewRoom}
        >
          <PlusIcon />
        </button>
      </header>
      {status.value === "loading" && <RoomsSkeleton />}
      {status.value === "failed" && (
        <Notice title="The rooms could not be loaded">
          <p>{problem.value}</p>
          <button type="button" class="button" onClick={() => void chat.directory.refresh()}>
            Try again
          </button>
        </Notice>
      )}
      {status.value === "ready" && rooms.value.length === 0 && (
        <Notice title="No rooms yet">
          <p>A room is a place to talk about one thing. Make the first one.</p>
          <button type="button" class="button button-primary" onClick={onNewRoom}>
            New room
          </button>
        </Notice>
      )}
      {rooms.value.length > 0 && (
        <ul class="rooms-list">
          {rooms.value.map((room) => (
            <li key={room.slug}>
              <RoomLink room={room} />
            </li>
          ))}
        </ul>
      )}
    </nav>
  );
}

function RoomLink({ room }: { room: Room }) {
  const { chat } = useChat();
  const isCurrent = route.value.slug === room.slug;
  const isUnread = !isCurrent && chat.readMarks.isUnread(room, chat.user.id);
  const last = room.lastMessage;
  return (
    <a
      class={isUnread ? "room room-unread" : "room"}
      href={roomHref(room.slug)}
      aria-current={isCurrent ? "page" : undefined}
      data-testid={`room-${room.slug}`}
    >
      <span class="room-name">
        <span class="room-hash" aria-hidden="true">
          #
        </span>
        {room.name}
      </span>
      {last !== null && (
        <time class="room-time" dateTime={last.sentAt}>
          {formatShort(new Date(last.sentAt), new Date())}
        </time>
      )}
      <span class="room-last">
        {last === null
          ? room.description || "No messages yet"
          : `${last.author.id === chat.user.id ? "You" : last.author.name}: ${last.text}`}
      </span>
      {isUnread && (
        <span class="room-dot">
          <span class="visually-hidden">Unread</span>
        </span>
      )}
    </a>
  );
}

function RoomsSkeleton() {
  return (
    <div class="rooms-skeleton" role="status">
      <span class="visually-hidden">Loading the rooms</span>
      {[70, 55, 62].map((width) => (
        <span key={width} class="skeleton" style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}
