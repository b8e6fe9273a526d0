// What the server refuses: a bad token, topics that are closed or unknown, publishing, history.

import { errorOf, next } from "./kit.mjs";

export async function run({ config, newClient, connect, encode, say }) {
  const stranger = newClient({ token: config.badToken });
  stranger.connect();
  const { code, reason } = await next(stranger, "disconnected");
  say("bad token", { code, reason });

  const client = await connect();
  for (const topic of config.topics) {
    const subscription = client.newSubscription(topic);
    subscription.subscribe();
    const unsubscribed = await next(subscription, "unsubscribed");
    say("subscribe", { topic, code: unsubscribed.code });
  }
  for (const topic of config.topics) {
    say("publish", { topic, ...(await errorOf(client.publish(topic, encode({})))) });
    say("history", { topic, ...(await errorOf(client.history(topic))) });
    say("presence", { topic, ...(await errorOf(client.presence(topic))) });
  }
  client.disconnect();
}
