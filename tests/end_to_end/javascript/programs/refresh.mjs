// Two clients with a token that expires soon. One gets a new one in time, the other never does.

import { next } from "./kit.mjs";

export async function run({ config, connect, encode, decode, say }) {
  let asked = 0;
  const renewing = await connect({
    getToken: async () => {
      asked += 1;
      return config.nextToken;
    },
  });
  const silent = await connect({ getToken: () => new Promise(() => {}) });
  const events = [];
  renewing.on("connecting", ({ code }) => events.push(code));
  renewing.on("disconnected", ({ code }) => events.push(code));

  const { code } = await next(silent, "connecting");
  say("expired", { code });
  // As long-lived as the other was short-lived: it is still there.
  const { data } = await renewing.rpc("probe.whoami", encode(null));
  say("renewed", { asked, events, user: decode(data).user });
  renewing.disconnect();
  silent.disconnect();
}
