// The chat's HTTP API: every endpoint the page uses for rooms and messages.

import { decodeBoolean, decodeList, decodeObject, decodeString } from "./decode";
import type { Http } from "./http";
import { type Message, decodeMessage } from "./message";
import { type Room, decodeRoom } from "./room";

export interface MessagePage {
  /** Oldest first. */
  readonly messages: readonly Message[];
  /** More lie further in the direction that was asked for. */
  readonly hasMore: boolean;
}

/** Which part of a room's log: the newest messages, those before an id, or those after one. */
export type MessageRange =
  | { readonly from: "newest" }
  | { readonly from: "before"; readonly id: number }
  | { readonly from: "after"; readonly id: number };

export interface NewRoom {
  readonly name: string;
  readonly description: string;
}

export interface ChatApi {
  fetchRooms(): Promise<Room[]>;
  createRoom(room: NewRoom): Promise<Room>;
  fetchMessages(slug: string, range: MessageRange): Promise<MessagePage>;
  /** Safe to repeat: the server stores one message per `clientId` and answers with that one. */
  sendMessage(slug: string, text: string, clientId: string): Promise<Message>;
  fetchConnectionToken(): Promise<string>;
}

export const messagesPerPage = 50;

export function createChatApi(http: Http): ChatApi {
  return {
    async fetchRooms() {
      const body = decodeObject(await http.get("/api/chat/rooms"));
      return decodeList(body["rooms"], decodeRoom, "rooms");
    },

    async createRoom(room) {
      return decodeRoom(await http.post("/api/chat/rooms", room));
    },

    async fetchMessages(slug, range) {
      const query = new URLSearchParams({ limit: String(messagesPerPage) });
      if (range.from !== "newest") query.set(range.from, String(range.id));
      const body = decodeObject(await http.get(`${messagesPath(slug)}?${query.toString()}`));
      return {
        messages: decodeList(body["messages"], decodeMessage, "messages"),
        hasMore: decodeBoolean(body["has_more"], "has_more"),
      };
    },

    async sendMessage(slug, text, clientId) {
      return decodeMessage(await http.post(messagesPath(slug), { text, client_id: clientId }));
    },

    async fetchConnectionToken() {
      const body = decodeObject(await http.post("/api/connection-token"));
      return decodeString(body["token"], "token");
    },
  };
}

function messagesPath(slug: string): string {
  return `/api/chat/rooms/${encodeURIComponent(slug)}/messages`;
}
