// node follow.js ENDPOINT [KEYS.json]
//
// Prints the state and every event after it, one JSON object a line. Each line on its input is the path of a YAML file,
// which is applied, or "watch CAMERA", for which a route is opened: its URL is for any RTSP player.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { Client } = require("./client.js");

const print = (value) => console.log(JSON.stringify(value, (_, each) => (typeof each === "bigint" ? Number(each) : each)));

async function apply(client, file) {
  const source = { file, folder: path.dirname(path.resolve(file)) };
  const applied = await client.apply(fs.readFileSync(file, "utf8"), { source });
  print({ applied: applied.rev, changes: applied.changes.map((change) => `${change.action} ${change.kind}/${change.name}`) });
}

async function carryOutEach(client) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [, camera] = line.match(/^watch (\S+)$/) ?? [];
    try {
      if (camera) print({ opened: (await client.openRoute(camera)).body });
      else await apply(client, line);
    } catch (error) {
      print({ refused: error.name, code: error.code, text: error.message, problems: error.problems });
    }
  }
  client.close();
  process.exit(0);
}

async function follow(client) {
  for await (const { state, event } of client.watch()) {
    if (state) print({ rev: state.rev, epoch: state.epoch, items: state.items.map((item) => `${item.kind}/${item.name}`) });
    else print({ event: event.kind, object: event.object, seq: event.seq, body: event.body });
  }
}

const [endpoint, keys] = process.argv.slice(2);
if (!endpoint) {
  console.error("node follow.js ENDPOINT [KEYS.json]");
  process.exit(2);
}
const client = new Client(endpoint, keys ? JSON.parse(fs.readFileSync(keys, "utf8")) : null);
carryOutEach(client);
follow(client).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
