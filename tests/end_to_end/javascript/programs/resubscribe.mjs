// Loses its position in a topic, as by a failure of the server: it comes back without being asked to.

import { next } from "./kit.mjs";

export async function run({ config, connect, subscribe, encode, decode, say }) {
  const client = await connect();
  const subscription = await subscribe(client, config.topic, { minResubscribeDelay: 10 });
  const publication = next(subscription, "publication");
  await subscription.publish(encode({ number: 1 }));
  await publication;

  const again = next(subscription, "subscribed");
  await client.rpc("probe.lose_position", encode({ topic: config.topic }));
  const { wasRecovering, recovered } = await again;
  say("subscribed", { wasRecovering, recovered });

  const later = next(subscription, "publication");
  await subscription.publish(encode({ number: 2 }));
  say("publication", { data: decode((await later).data) });
  client.disconnect();
}
