// Topics that the server subscribes the client to: by its token, and while it is connected.

import { next } from "./kit.mjs";

export async function run({ config, newClient, connect, encode, decode, say }) {
  const client = newClient();
  client.on("subscribed", ({ channel, recoverable }) => say("subscribed", { channel, recoverable }));
  client.on("unsubscribed", ({ channel }) => say("unsubscribed", { channel }));
  const isSubscribed = next(client, "subscribed");
  client.connect();
  await isSubscribed;

  const other = await connect({ token: config.otherToken });
  const hear = async (topic, text) => {
    const publication = next(client, "publication");
    await other.publish(topic, encode({ text }));
    const { channel, data } = await publication;
    say("publication", { channel, data: decode(data) });
  };
  await hear(config.topic, "by the token");

  const isAdded = next(client, "subscribed");
  await client.rpc("probe.subscribe_me", encode({ topic: config.laterTopic }));
  await isAdded;
  await hear(config.laterTopic, "while connected");

  const isRemoved = next(client, "unsubscribed");
  await client.rpc("probe.unsubscribe_me", encode({ topic: config.laterTopic }));
  await isRemoved;
  client.disconnect();
  other.disconnect();
}
