// Publishes numbered messages, in bursts, until it has published enough and was told to stop; then
// some more, which arrive over lines that nobody cuts any longer.

export async function run({ config, connect, encode, say, told }) {
  const client = await connect();
  let last = Infinity;
  let number = 0;
  void told("stop").then(() => {
    last = Math.max(config.atLeast, number + 100);
  });

  while (number < last) {
    // A burst goes out without waiting for replies; its order is the server's to keep.
    const size = Math.min(1 + (number % 7), last - number);
    const burst = Array.from({ length: size }, () => {
      number += 1;
      const text = "x".repeat((number * 37) % 200);
      return client.publish(config.topic, encode({ number, isLast: number === last, text }));
    });
    await Promise.all(burst);
  }
  client.disconnect();
  say("published", { count: number });
}
