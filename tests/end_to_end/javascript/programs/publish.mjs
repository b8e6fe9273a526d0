// Two clients in a topic: one publishes over its subscription, over its connection and in a batch.

export async function run({ config, connect, subscribe, encode, decode, say }) {
  const alice = await connect();
  const bob = await connect({ token: config.otherToken });
  const fromAlice = await subscribe(alice, config.topic);
  const atBob = await subscribe(bob, config.topic);

  const received = new Promise((resolve) => {
    atBob.on("publication", ({ channel, data, offset, info }) => {
      say("publication", {
        channel,
        data: decode(data),
        offset,
        user: info.user,
        name: decode(info.connInfo).name,
      });
      if (decode(data).text === "last") resolve();
    });
  });

  await fromAlice.publish(encode({ text: "over the subscription" }));
  await alice.publish(config.topic, encode({ text: "over the connection" }));
  alice.startBatching();
  const batch = ["in a batch", "last"].map((text) => alice.publish(config.topic, encode({ text })));
  alice.stopBatching();
  await Promise.all([received, ...batch]);
  alice.disconnect();
  bob.disconnect();
}
