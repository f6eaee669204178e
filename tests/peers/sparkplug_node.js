// A Sparkplug B edge node (npm sparkplug-client) for the agent's tests:
//   node sparkplug_node.js '{"url": "mqtt://127.0.0.1:1883", "user": "...", "password": "...", "group": "...", "node": "..."}'
//
// Orders come as JSON lines on stdin; each is answered with one JSON line. Metrics are [{name, type, value, alias?, ...}].
//   {"birth": {node: [metrics], devices: {name: [metrics]}}}   what every birth says from now on; publishes it
//   {"data": [metrics]}  {"device": name, "data": [metrics]}   by name, or by alias with "alias" alone
//   {"skip": n}                                                leaves out n sequence numbers, as lost messages do
//   {"death": name}                                            a device dies
//   {"births": true}                                           how often births were published, by whose wish
// It publishes its birth again whenever a rebirth is asked for, with the values that were published last.

import { createRequire } from "node:module";
import readline from "node:readline";

const require = createRequire(process.env.PEERS_FOLDER + "/package.json");
const sparkplug = require("sparkplug-client");
const options = JSON.parse(process.argv[2]);

let born = null;
const births = { own: 0, asked: 0 };

const client = sparkplug.newClient({
  serverUrl: options.url,
  username: options.user,
  password: options.password,
  groupId: options.group,
  edgeNode: options.node,
  clientId: `sparkplug-${options.node}`,
  version: "spBv1.0",
});

client.once("connect", () => answer("ready"));
client.on("birth", () => born && publishBirths());
client.on("ncmd", (payload) => {
  if (payload.metrics.some((m) => m.name === "Node Control/Rebirth" && m.value) && born) {
    births.asked += 1;
    publishBirths();
  }
});

function publishBirths() {
  const now = Date.now();
  const control = { name: "Node Control/Rebirth", type: "Boolean", value: false };
  client.publishNodeBirth({ timestamp: now, metrics: [...copies(born.node ?? []), control] });
  for (const [device, metrics] of Object.entries(born.devices ?? {})) {
    client.publishDeviceBirth(device, { timestamp: now, metrics: copies(metrics) });
  }
}

// The client adds to the lists that it is given.
function copies(metrics) {
  return metrics.map((metric) => ({ ...metric }));
}

function remember(metrics, known) {
  for (const metric of metrics) {
    const same = known.find((one) => one.name === metric.name || (metric.alias && one.alias === metric.alias));
    if (same) Object.assign(same, { value: metric.value, timestamp: metric.timestamp });
  }
}

function carryOut(order) {
  if (order.birth) {
    born = order.birth;
    births.own += 1;
    publishBirths();
  } else if (order.data) {
    const payload = { timestamp: Date.now(), metrics: copies(order.data) };
    if (order.device) client.publishDeviceData(order.device, payload, order.options);
    else client.publishNodeData(payload, order.options);
    remember(order.data, order.device ? born.devices[order.device] : born.node);
  } else if (order.skip) {
    client.seq = (client.seq + order.skip) % 256;
  } else if (order.death) {
    client.publishDeviceDeath(order.death, { timestamp: Date.now(), metrics: [] });
  } else if (order.births) {
    return births;
  }
  return "done";
}

function answer(said) {
  process.stdout.write(JSON.stringify(said) + "\n");
}

readline.createInterface({ input: process.stdin }).on("line", (line) => answer(carryOut(JSON.parse(line))));
