// Runs one program in Node: `node run_in_node.mjs '{"program": …, "codec": …, "config": …}'`.
// What the program says are lines of JSON on stdout; what it is told are lines on stdin.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { createEar, createKit } from "./programs/kit.mjs";

const { program, codec, config } = JSON.parse(process.argv[2]);
// The packages are the page's: this folder has none.
const require = createRequire(new URL("../../../frontend/package.json", import.meta.url));
const isProtobuf = codec === "protobuf";
const { Centrifuge } = require(isProtobuf ? "centrifuge/build/protobuf" : "centrifuge");
const { WebSocket } = require("ws");

const ear = createEar();
const lines = createInterface({ input: process.stdin });
lines.on("line", ear.hear);
const say = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

const { run } = await import(`./programs/${program}.mjs`);
const options = { websocket: WebSocket };
await run(createKit({ Centrifuge, isProtobuf, options, config, say, told: ear.told }));
lines.close();
process.stdin.destroy();
