// Calls named functions of the server, well and badly, and sends it what needs no answer.

import { errorOf } from "./kit.mjs";

export async function run({ connect, encode, decode, say }) {
  const client = await connect();
  const call = async (method, data) => decode((await client.rpc(method, encode(data))).data);

  say("answer", { data: await call("probe.add", { a: 20, b: 22 }) });
  say("refused", {
    unknown: await errorOf(call("probe.nothing", {})),
    misfit: await errorOf(call("probe.add", { a: "twenty" })),
    denied: await errorOf(call("probe.refuse", {})),
    crashed: await errorOf(call("probe.crash", {})),
  });

  await client.send(encode({ note: "no answer needed" }));
  say("sent", { received: await call("probe.received", null) });

  const message = new Promise((resolve) => client.once("message", ({ data }) => resolve(decode(data))));
  await call("probe.message_me", { note: "from the server" });
  say("message", { data: await message });
  client.disconnect();
}
