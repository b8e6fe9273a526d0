// The entry: builds what lives as long as the page, and starts it.

import "./styles/main.css";

import { render } from "preact";

import { App } from "./app";
import { systemClock } from "./client/clock";
import { Http } from "./client/http";
import { Session, openTabChannel } from "./client/session";
import { followKeyboard } from "./environment";
import { applyTheme } from "./theme";

const http = new Http({ fetch: (url, init) => fetch(url, init), timeoutMs: 15_000 });
const session = new Session({ http, clock: systemClock, tabs: openTabChannel("switchboard.session") });
const connectionUrl = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/connection/websocket`;

applyTheme();
followKeyboard();
void session.fetch();

const root = document.getElementById("app") ?? document.body.appendChild(document.createElement("div"));
root.classList.add("app");
root.replaceChildren();
render(<App http={http} session={session} connectionUrl={connectionUrl} />, root);
