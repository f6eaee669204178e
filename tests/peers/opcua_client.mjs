// A client that is not ours, against a simulated plant: `node opcua_client.mjs opc.tcp://127.0.0.1:4840/retroproof NODE...`.
// Prints one line of JSON for each node: its newest value, its unit, and how many values its history of the last 400
// days holds. Stands in docs/how-to/simulate.md, too, and a test runs it.

import { createRequire } from "node:module";

const require = createRequire((process.env.PEERS_FOLDER ?? process.cwd()) + "/package.json");
const { OPCUAClient, AttributeIds } = require("node-opcua");

const [endpoint, ...nodes] = process.argv.slice(2);
const client = OPCUAClient.create({ endpointMustExist: false });
await client.connect(endpoint);
const session = await client.createSession();
for (const nodeId of nodes) {
  const value = await session.read({ nodeId, attributeId: AttributeIds.Value });
  const unit = await session.read({ nodeId: `${nodeId}.EngineeringUnits`, attributeId: AttributeIds.Value });
  const now = new Date();
  let start = new Date(now.getTime() - 400 * 86400e3);
  let count = 0;
  for (;;) {
    const history = await session.readHistoryValue({ nodeId }, start, now);
    const page = history.historyData?.dataValues ?? [];
    count += page.length;
    if (page.length === 0) break;
    start = new Date(page.at(-1).sourceTimestamp.getTime() + 1);
  }
  const raw = value.value.value; // node-opcua gives a UInt64 as its two halves
  const number = Array.isArray(raw) ? raw[0] * 2 ** 32 + raw[1] : raw;
  console.log(JSON.stringify({ nodeId, value: number, unit: unit.value.value.displayName.text, count }));
}
await session.close();
await client.disconnect();
