// Connects, asks who the server takes it for, and leaves.

import { next } from "./kit.mjs";

export async function run({ newClient, encode, decode, say }) {
  const client = newClient();
  client.connect();
  const connected = await next(client, "connected");
  const { data } = await client.rpc("probe.whoami", encode(null));
  say("connected", { client: connected.client, caller: decode(data) });

  const left = next(client, "disconnected");
  client.disconnect();
  const { code } = await left;
  say("disconnected", { code });
}
