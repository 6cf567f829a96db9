// MQTT over WebSocket with mqtt.js, MQTT 5 and 3.1.1: a whole conversation of an Amazon Cognito
// identity whose policy forbids a few things.
//
// TLS_PORT and ROOT_CA say where the emulator is, SESSION_TOKEN who speaks.
"use strict";

const assert = require("node:assert/strict");
const { once } = require("node:events");
const fs = require("node:fs");
const mqtt = require("mqtt");

const { converse } = require("./conversation");
const { presigned } = require("./presigned");

const { env } = process;
const PATIENCE = 20_000;
const ca = fs.readFileSync(env.ROOT_CA);

// The next event of this name; a wait has an end.
async function event(emitter, name) {
  const signal = AbortSignal.timeout(PATIENCE);
  return once(emitter, name, { signal }).catch((error) => {
    throw error.name === "AbortError" ? new Error(`no ${name}`) : error;
  });
}

function device(clientId, protocolVersion, options = {}) {
  const client = mqtt.connect(presigned(`localhost:${env.TLS_PORT}`, env.SESSION_TOKEN), {
    ca,
    clientId,
    protocolVersion,
    reconnectPeriod: 0,
    connectTimeout: PATIENCE,
    keepalive: 600,
    ...options,
  });
  client.inbox = [];
  client.on("message", (topic, payload, packet) => {
    client.inbox.push(packet);
    client.emit("kept");
  });
  return client;
}

async function connect(...how) {
  const client = device(...how);
  [client.connack] = await event(client, "connect");
  return client;
}

async function message(client) {
  if (client.inbox.length === 0) await event(client, "kept");
  const packet = client.inbox.shift();
  return { ...packet, payload: packet.payload.toString() };
}

async function subscribe(client, ...filters) {
  const granted = await client.subscribeAsync(filters, { qos: 1 });
  return granted.map(({ qos }) => qos);
}

const seen = ({ payload, retain }) => [payload, retain];

// The error of what must fail.
const fails = (promise) =>
  promise.then(
    () => assert.fail("it succeeded"),
    (error) => error,
  );

async function connack() {
  const client = await connect("numbers", 5, { properties: { sessionExpiryInterval: 600_000 } });
  assert.deepEqual(
    { ...client.connack.properties },
    {
      sessionExpiryInterval: 3600,
      receiveMaximum: 100,
      maximumQoS: 1,
      retainAvailable: true,
      maximumPacketSize: 149504,
      topicAliasMaximum: 8,
      wildcardSubscriptionAvailable: true,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionAvailable: true,
      serverKeepAlive: 600,
    },
  );
  await client.endAsync();
}

async function messages(version) {
  const [one, two] = [await connect("one", version), await connect("two", version)];
  assert.deepEqual(await subscribe(one, "both/ways", "$share/group/both/#"), [1, 1]);
  const properties = {
    payloadFormatIndicator: true,
    contentType: "text/plain",
    responseTopic: "answers/here",
    correlationData: Buffer.from([0, 255]),
    userProperties: { b: "1", a: "2" },
  };
  const options = version === 5 ? { qos: 1, properties } : { qos: 1 };
  await two.publishAsync("both/ways", "x".repeat(100_000), options);
  for (let copy = 0; copy < 2; copy += 1) {
    const { topic, qos, payload, properties: said } = await message(one);
    assert.deepEqual([topic, qos, payload.length], ["both/ways", 1, 100_000]);
    if (version === 4) continue;
    assert.deepEqual({ ...said, userProperties: { ...said.userProperties } }, properties);
  }
  await two.publishAsync("kept", "retained", { qos: 1, retain: true });
  await subscribe(one, "kept");
  assert.deepEqual(seen(await message(one)), ["retained", true]);
  await two.publishAsync("kept", "", { qos: 0, retain: true });
  assert.deepEqual(seen(await message(one)), ["", false]);
  await one.endAsync();
  await two.endAsync();
}

async function wills(version) {
  const watcher = await connect("watcher", version);
  await subscribe(watcher, "wills", "$aws/events/presence/disconnected/dies");
  const will = { topic: "wills", payload: Buffer.from("cut"), qos: 1, retain: false };
  const end = async () => JSON.parse((await message(watcher)).payload).disconnectReason;
  const leaves = await connect("dies", version, { will });
  await leaves.endAsync();
  assert.equal(await end(), "CLIENT_INITIATED_DISCONNECT");
  const dies = await connect("dies", version, { will });
  dies.stream.destroy();
  assert.equal((await message(watcher)).payload, "cut");
  await end();
  await watcher.endAsync();
}

async function sessions(version) {
  const kept = { clean: false, properties: version === 5 ? { sessionExpiryInterval: 3600 } : {} };
  const name = `resumes-${version}`;
  const [first, writer] = [await connect(name, version, kept), await connect("writes", version)];
  assert.deepEqual(await subscribe(first, "queued/+"), [1]);
  await first.endAsync();
  await writer.publishAsync("queued/1", "x", { qos: 1 });
  await writer.publishAsync("queued/2", "x", { qos: 0 });
  // What was queued comes with the CONNACK.
  const second = await connect(name, version, kept);
  assert.equal(second.connack.sessionPresent, true);
  assert.equal((await message(second)).topic, "queued/1");
  await writer.publishAsync("queued/3", "x", { qos: 1 });
  assert.equal((await message(second)).topic, "queued/3");
  await second.endAsync();
  await writer.endAsync();
}

async function refusals5() {
  const [error] = await event(device("forbidden-5", 5), "error");
  assert.equal(error.code, 135);
  const client = await connect("refused-5", 5);
  // mqtt.js makes an error of a SUBACK that refuses anything.
  assert.match((await fails(subscribe(client, "forbidden/x"))).message, /Not authorized/);
  assert.match((await fails(subscribe(client, "$SYS/#"))).message, /Topic Filter invalid/);
  const denied = await fails(client.publishAsync("forbidden/x", "x", { qos: 1 }));
  assert.equal(denied.code, 135);
  const farewell = event(client, "disconnect");
  client.publish("forbidden/x", "x", { qos: 0 });
  const [packet] = await farewell;
  assert.equal(packet.reasonCode, 135);
  assert.match(packet.properties.reasonString, /^DISCONNECT:Client is not authenticated/);
  const first = await connect("taken", 5);
  const takeover = event(first, "disconnect");
  const second = await connect("taken", 5);
  assert.equal((await takeover)[0].reasonCode, 142);
  await second.endAsync();
}

async function refusals311() {
  const forbidden = device("forbidden-311", 4);
  forbidden.on("connect", () => assert.fail("connected"));
  await event(forbidden, "close");
  for (const topic of ["forbidden/x", "$SYS/x"]) {
    const client = await connect("refused-311", 4);
    const closed = event(client, "close");
    client.publish(topic, "x", { qos: 1 }, () => {});
    await closed;
    const other = await connect("refused-311", 4);
    const cut = event(other, "close");
    other.subscribe(topic, { qos: 1 }, () => {});
    await cut;
  }
  const first = await connect("taken", 4);
  const closed = event(first, "close");
  const second = await connect("taken", 4);
  await closed;
  await second.endAsync();
}

async function all() {
  await connack();
  for (const version of [5, 4]) {
    await messages(version);
    await wills(version);
    await sessions(version);
  }
  await refusals5();
  await refusals311();
}

converse(all);
