// What the programs beside this file share. They run in Node and in browsers alike: everything that
// differs between the two comes in here.

/**
 * - `Centrifuge`: the published SDK's class, of its JSON or its Protobuf build.
 * - `options`: what this platform needs besides, such as a WebSocket.
 * - `config`: the test's arguments. `url` and `token` are for the first client.
 * - `say(event, fields)`: tells the test something.
 * - `told(word)`: a promise, kept when the test says that word.
 */
export function createKit({ Centrifuge, isProtobuf, options, config, say, told }) {
  const text = { encoder: new TextEncoder(), decoder: new TextDecoder() };

  /** Comes back soon after a cut: a test has no time for the polite delays of a real page. */
  function newClient(more = {}) {
    return new Centrifuge(config.url, {
      token: config.token,
      minReconnectDelay: 10,
      maxReconnectDelay: 200,
      ...options,
      ...more,
    });
  }

  return {
    config,
    say,
    told,
    newClient,

    async connect(more) {
      const client = newClient(more);
      client.connect();
      await client.ready();
      return client;
    },

    async subscribe(client, topic, more) {
      const subscription = client.newSubscription(topic, more);
      subscription.subscribe();
      await subscription.ready();
      return subscription;
    },

    // With Protobuf the SDK hands bytes through, with JSON values.
    encode: (value) => (isProtobuf ? text.encoder.encode(JSON.stringify(value)) : value),
    decode: (data) => (isProtobuf ? JSON.parse(text.decoder.decode(data)) : data),
  };
}

/** What the test tells a program. A word said early is not forgotten. */
export function createEar() {
  const heard = new Set();
  const waiting = new Map();
  return {
    hear(word) {
      heard.add(word);
      waiting.get(word)?.();
    },
    told(word) {
      return new Promise((resolve) => {
        if (heard.has(word)) resolve();
        else waiting.set(word, resolve);
      });
    },
  };
}

/** The next event of that name. */
export function next(emitter, event) {
  return new Promise((resolve) => emitter.once(event, resolve));
}

/** The error that a promise is rejected with; undefined where it is not. */
export async function errorOf(promise) {
  try {
    await promise;
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}
