// A node-opcua server for the agent's tests: `node opcua_server.js '{"port": 4840, "pki": "folder", "ticking": ...}'`.
//
// Orders come as JSON lines on stdin; each is answered with one: how far the ticking has counted, and by
// how much messages were renumbered. Nodes are `ns=1;s=<name>`.
//   {"add": [{name, type, declared?, value?, array?, history?, range?, enumeration?}]}   variables, at any time
//   {"write": [{name, value, time?, status?}]}            time in milliseconds since 1970
//   {"remove": [name]}                                    the node is gone
//   {"tick": {count, interval_ms}}                        variables t0, t1, ... that count 1, 2, 3, ... by themselves
//   {"stop": true}                                        stops the ticking
//   {"renumber": {next}}                                  the next message of the only subscription has this number
//
// What a tick writes is exact: the counter is the ledger, so that a reader knows which values are missing or doubled.

import { createRequire } from "node:module";
import readline from "node:readline";

const require = createRequire(process.env.PEERS_FOLDER + "/package.json");
const opcua = require("node-opcua");
const options = JSON.parse(process.argv[2]);

const USERS = { isValidUser: (user, password) => user === "reader" && password === "letmein" };
const MODES = { None: 1, Sign: 2, SignAndEncrypt: 3 };

async function main() {
  const certificates = new opcua.OPCUACertificateManager({
    rootFolder: options.pki,
    automaticallyAcceptUnknownCertificate: options.trust_clients ?? true,
  });
  await certificates.initialize();
  const userCertificates = new opcua.OPCUACertificateManager({
    rootFolder: options.pki + "-users",
    automaticallyAcceptUnknownCertificate: options.trust_users ?? true,
  });
  await userCertificates.initialize();
  const server = new opcua.OPCUAServer({
    port: options.port,
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    resourcePath: "/test",
    serverCertificateManager: certificates,
    userCertificateManager: userCertificates,
    securityPolicies: (options.policies ?? ["None"]).map((name) => opcua.SecurityPolicy[name]),
    securityModes: (options.modes ?? ["None"]).map((name) => MODES[name]),
    allowAnonymous: options.anonymous ?? true,
    userManager: USERS,
    serverCapabilities: { maxSessions: 50, minSupportedSampleRate: 0 },
    discoveryServerEndpointUrl: null,
    registerServerMethod: opcua.RegisterServerMethod.HIDDEN,
  });
  await server.initialize();
  const plant = new Plant(server.engine);
  await server.start();
  answer("ready");
  for await (const line of readline.createInterface({ input: process.stdin })) {
    answer(plant.obey(JSON.parse(line)));
  }
  process.exit(0);
}

class Plant {
  constructor(engine) {
    this.engine = engine;
    this.addressSpace = engine.addressSpace;
    this.namespace = this.addressSpace.getOwnNamespace();
    this.nodes = new Map();
    this.types = new Map();
    this.ticking = [];
    this.count = 0;
    this.shift = 0;
    this.timer = null;
  }

  obey(order) {
    for (const node of order.add ?? []) this.add(node);
    for (const row of order.write ?? []) this.write(row);
    for (const name of order.remove ?? []) this.remove(name);
    if (order.tick) this.tick(order.tick);
    if (order.stop) clearInterval(this.timer);
    if (order.renumber) this.renumber(order.renumber);
    return { counted: this.count, shift: this.shift };
  }

  renumber({ next }) {
    const [session] = Object.values(this.engine._sessions);
    const [subscription] = Object.values(session.publishEngine._subscriptions);
    this.shift = next - subscription._sequence_number_generator.future();
    subscription._sequence_number_generator._set(next);
    for (const message of subscription._sent_notification_messages) message.sequenceNumber += this.shift;
  }

  add({ name, type, declared, value, array, history, range, enumeration }) {
    const isArray = array !== undefined;
    const common = {
      organizedBy: this.addressSpace.rootFolder.objects,
      browseName: name,
      nodeId: `s=${name}`,
      dataType: enumeration ? this.enumeration(enumeration) : (declared ?? type),
      valueRank: isArray ? 1 : -1,
      arrayDimensions: isArray ? [array.length] : undefined,
      minimumSamplingInterval: 0,
    };
    const variant = this.variant(type, isArray ? array : value, isArray);
    const node = range
      ? this.namespace.addAnalogDataItem({
          ...common,
          engineeringUnitsRange: { low: range[0], high: range[1] },
          engineeringUnits: opcua.standardUnits.degree_celsius,
          value: variant,
        })
      : this.namespace.addVariable({ ...common, value: variant });
    if (history) this.addressSpace.installHistoricalDataNode(node, { maxOnlineValues: history });
    this.nodes.set(name, node);
    this.types.set(name, type);
    return node;
  }

  enumeration(name) {
    const existing = this.namespace.findDataType(name);
    if (existing) return existing.nodeId;
    return this.namespace.addEnumerationType({ browseName: name, enumeration: ["Off", "On", "Fault"] }).nodeId;
  }

  variant(type, value, isArray) {
    const dataType = opcua.DataType[type];
    const arrayType = isArray ? opcua.VariantArrayType.Array : opcua.VariantArrayType.Scalar;
    return new opcua.Variant({ dataType, arrayType, value: coerced(type, value ?? 0) });
  }

  write({ name, value, time, status, type }) {
    const variant = this.variant(type ?? this.types.get(name), value, Array.isArray(value));
    const code = status === undefined ? opcua.StatusCodes.Good : opcua.StatusCodes[status];
    const at = time === undefined ? new Date() : new Date(time);
    this.nodes.get(name).setValueFromSource(variant, code, at);
  }

  remove(name) {
    this.addressSpace.deleteNode(this.nodes.get(name));
    this.nodes.delete(name);
  }

  tick({ count, interval_ms, history }) {
    for (let i = this.ticking.length; i < count; i++) {
      this.ticking.push(this.add({ name: `t${i}`, type: "Double", value: 0, history }));
    }
    const begin = Date.now();
    const first = this.count;
    this.timer = setInterval(() => {
      // A busy machine fires late: catch up, so that the mean rate is what was asked for.
      while (this.count - first < (Date.now() - begin) / interval_ms) {
        this.count += 1;
        const at = new Date(begin + (this.count - first) * interval_ms);
        for (const node of this.ticking) {
          const variant = new opcua.Variant({ dataType: opcua.DataType.Double, value: this.count });
          node.setValueFromSource(variant, opcua.StatusCodes.Good, at);
        }
      }
    }, Math.max(1, interval_ms / 4));
  }
}

// JSON has no 64-bit integers, no times and no NaN.
function coerced(type, value) {
  if (Array.isArray(value)) return value.map((one) => coerced(type, one));
  if (type === "Int64" || type === "UInt64") {
    const bits = BigInt.asUintN(64, BigInt(value));
    return [Number(bits >> 32n), Number(bits & 0xffffffffn)];
  }
  if (type === "DateTime") return new Date(value);
  if (type === "String") return String(value);
  if (type === "Boolean") return Boolean(value);
  return Number(value);
}

function answer(said) {
  process.stdout.write(JSON.stringify(said) + "\n");
}

await main();
