// Two tabs of one user and one of another enter a topic; one leaves.

import { next } from "./kit.mjs";

export async function run({ config, connect, subscribe, decode, say }) {
  const tabs = [await connect(), await connect(), await connect({ token: config.otherToken })];
  const watching = tabs[0].newSubscription(config.topic);
  const joined = [];
  const allJoined = new Promise((resolve) => {
    watching.on("join", ({ info }) => {
      joined.push(info.user);
      if (joined.length === tabs.length) resolve();
    });
  });
  watching.subscribe();
  await watching.ready();
  await subscribe(tabs[1], config.topic);
  await subscribe(tabs[2], config.topic);
  await allJoined;
  say("joined", { users: joined });
  await sayWhoIsThere();

  const left = next(watching, "leave");
  tabs[2].disconnect();
  say("left", { user: (await left).info.user });
  await sayWhoIsThere();
  tabs[0].disconnect();
  tabs[1].disconnect();

  async function sayWhoIsThere() {
    const { clients } = await watching.presence();
    const users = Object.values(clients).map(({ user, connInfo }) => [user, decode(connInfo).name]);
    say("present", { users, stats: await watching.presenceStats() });
  }
}
