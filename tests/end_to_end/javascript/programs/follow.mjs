// Follows a topic with several clients, over whatever line `url` leads through, until the
// publication that says it is the last. Says what each client received, in the order received.

export async function run({ config, newClient, decode, say }) {
  await Promise.all(Array.from({ length: config.clients }, (_, index) => follow(index)));

  async function follow(index) {
    const client = newClient();
    const subscription = client.newSubscription(config.topic);
    const received = [];
    const counts = { connections: 0, recoveries: 0, gaps: 0 };

    client.on("connected", () => {
      counts.connections += 1;
    });
    subscription.on("subscribed", ({ wasRecovering, recovered }) => {
      if (!wasRecovering) say("following", { index });
      else if (recovered) counts.recoveries += 1;
      else counts.gaps += 1;
    });
    const last = new Promise((resolve) => {
      subscription.on("publication", ({ data, offset }) => {
        const { number, isLast } = decode(data);
        received.push(number);
        if (isLast) resolve(offset);
      });
    });

    subscription.subscribe();
    client.connect();
    const lastOffset = await last;
    // Whatever the server sent behind the last one is here once it has answered.
    const { offset } = await subscription.history({ limit: 0 });
    client.disconnect();
    say("followed", { index, received, ...counts, lastOffset, offset });
  }
}
