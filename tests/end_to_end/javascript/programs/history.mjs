// Fills a topic's log and reads it: its position, pages forward, pages backward.

export async function run({ config, connect, subscribe, encode, decode, say }) {
  const client = await connect();
  const subscription = await subscribe(client, config.topic);
  for (let number = 1; number <= 5; number += 1) await subscription.publish(encode({ number }));

  const top = await subscription.history();
  say("top", { offset: top.offset, count: top.publications.length });

  const page = async (name, options) => {
    const { publications, offset } = await subscription.history(options);
    say(name, { offset, numbers: publications.map(({ data }) => decode(data).number) });
    return publications;
  };
  await page("oldest", { limit: 2 });
  await page("next", { limit: 2, since: { offset: 2, epoch: top.epoch } });
  await page("newest", { limit: 2, reverse: true });
  await page("all", { limit: -1 });
  await page("after the end", { limit: 2, since: { offset: 5, epoch: top.epoch } });
  client.disconnect();
}
