// The AWS IoT Device SDK v2 for JavaScript: MQTT 5 and 3.1.1, over mutual TLS on both ports and
// over WebSocket with static credentials. Its own objects say what AWS's own tests say of AWS.
//
// MQTT_PORT, TLS_PORT, ROOT_CA, CERTIFICATE and PRIVATE_KEY say where the emulator is and who
// speaks, UNKNOWN_CERTIFICATE and UNKNOWN_PRIVATE_KEY are of a device that nobody registered.
"use strict";

const assert = require("node:assert/strict");
const { auth, iot, mqtt, mqtt5 } = require("aws-iot-device-sdk-v2");

const { converse } = require("./conversation");

const { env } = process;
const PATIENCE = 20_000;
const MQTT_PORT = Number(env.MQTT_PORT);
const TLS_PORT = Number(env.TLS_PORT);
const HANGUP = "AWS_ERROR_MQTT_UNEXPECTED_HANGUP";
const DEVICE = [env.CERTIFICATE, env.PRIVATE_KEY];
const UNKNOWN = [env.UNKNOWN_CERTIFICATE, env.UNKNOWN_PRIVATE_KEY];

// The first event of this name; a wait has an end. Not Node's `once`, which gives up at an "error":
// a connection that is cut emits one for each of its publishes, before or after "interrupt".
function event(emitter, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name}`)), PATIENCE);
    emitter.once(name, (value, more) => {
      clearTimeout(timer);
      resolve(more ?? value);
    });
  });
}

// Messages as they come, to be asked for one by one.
function inbox() {
  const waiting = [];
  const asking = [];
  return {
    put(message) {
      if (asking.length > 0) asking.shift()(message);
      else waiting.push(message);
    },
    async next() {
      if (waiting.length > 0) return waiting.shift();
      let timer;
      const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error("no message")), PATIENCE);
      });
      const message = new Promise((resolve) => asking.push(resolve));
      return Promise.race([message, late]).finally(() => clearTimeout(timer));
    },
  };
}

const text = (payload) => Buffer.from(payload).toString();

// === MQTT 5 ===

const credentials = () =>
  auth.AwsCredentialsProvider.newStatic(env.AWS_ACCESS_KEY_ID, env.AWS_SECRET_ACCESS_KEY);

function builder5(way) {
  const Builder = iot.AwsIotMqtt5ClientConfigBuilder;
  if (way === "wss") {
    const signed = { region: "us-east-1", credentialsProvider: credentials() };
    return Builder.newWebsocketMqttBuilderWithSigv4Auth("localhost", signed).withPort(TLS_PORT);
  }
  const [certificate, key] = way.files ?? DEVICE;
  const builder = Builder.newDirectMqttBuilderWithMtlsFromPath("localhost", certificate, key);
  return builder.withPort(way.port ?? MQTT_PORT);
}

function device5(clientId, way = {}, connect = {}, behavior = undefined) {
  const builder = builder5(way)
    .withCertificateAuthorityFromPath(undefined, env.ROOT_CA)
    .withConnectProperties({ clientId, keepAliveIntervalSeconds: 1000, ...connect })
    // Nothing here comes back by itself.
    .withMinReconnectDelayMs(60_000)
    .withMaxReconnectDelayMs(120_000);
  if (behavior !== undefined) builder.withSessionBehavior(behavior);
  const client = new mqtt5.Mqtt5Client(builder.build());
  const messages = inbox();
  client.on("messageReceived", ({ message }) => messages.put(message));
  return { client, messages };
}

async function connect5(...how) {
  const device = device5(...how);
  const connected = event(device.client, "connectionSuccess");
  device.client.start();
  return { ...device, ...(await connected) };
}

async function leave5({ client }, reasonCode = mqtt5.DisconnectReasonCode.NormalDisconnection) {
  const stopped = event(client, "stopped");
  client.stop({ reasonCode });
  await stopped;
  client.close();
}

async function refused5(...how) {
  const { client } = device5(...how);
  const failed = event(client, "connectionFailure");
  client.start();
  const { error, connack } = await failed;
  const stopped = event(client, "stopped");
  client.stop();
  await stopped;
  client.close();
  return { error: error.error_name, connack };
}

async function cut5(disconnection, { client }) {
  const { error, disconnect } = await disconnection;
  const stopped = event(client, "stopped");
  client.stop();
  await stopped;
  client.close();
  return { error: error.error_name, disconnect };
}

const qos = mqtt5.QoS.AtLeastOnce;

async function subscribe5({ client }, ...filters) {
  const subscriptions = filters.map((topicFilter) => ({ topicFilter, qos }));
  return (await client.subscribe({ subscriptions })).reasonCodes;
}

async function publish5({ client }, topicName, payload, more = {}) {
  return (await client.publish({ topicName, payload, qos, ...more }))?.reasonCode;
}

async function settings5() {
  const asked = await connect5("settings", {}, { sessionExpiryIntervalSeconds: 600 });
  const { settings, connack } = asked;
  assert.equal(connack.assignedClientIdentifier, undefined);
  assert.deepEqual(
    { ...settings },
    {
      maximumQos: qos,
      sessionExpiryInterval: 600,
      receiveMaximumFromServer: 100,
      maximumPacketSizeToServer: 149504,
      topicAliasMaximumToServer: 8,
      topicAliasMaximumToClient: 0,
      serverKeepAlive: 1000,
      retainAvailable: true,
      wildcardSubscriptionsAvailable: true,
      subscriptionIdentifiersAvailable: false,
      sharedSubscriptionsAvailable: true,
      rejoinedSession: false,
      clientId: "settings",
    },
  );
  await leave5(asked);
  const most = { sessionExpiryIntervalSeconds: 0xffffffff, keepAliveIntervalSeconds: 0xffff };
  const limited = await connect5("settings", {}, most);
  assert.equal(limited.settings.sessionExpiryInterval, 3600);
  assert.equal(limited.settings.serverKeepAlive, 1200);
  await leave5(limited);
}

async function messages5(way) {
  const [device, other] = [await connect5("one", way), await connect5("two", way)];
  assert.deepEqual(await subscribe5(device, "both/ways"), [1]);
  const more = {
    payloadFormat: mqtt5.PayloadFormatIndicator.Utf8,
    contentType: "text/plain",
    responseTopic: "answers/here",
    userProperties: [
      { name: "b", value: "1" },
      { name: "a", value: "2" },
    ],
    messageExpiryIntervalSeconds: 60,
  };
  assert.equal(await publish5(other, "both/ways", "x".repeat(100_000), more), 0);
  const message = await device.messages.next();
  assert.equal(message.topicName, "both/ways");
  assert.equal(message.payload.byteLength, 100_000);
  for (const [member, expected] of Object.entries(more)) {
    assert.deepEqual(message[member], expected, member);
  }
  assert.deepEqual(await subscribe5(other, "answers/here"), [1]);
  await publish5(device, "answers/here", "yes", { qos: mqtt5.QoS.AtMostOnce });
  assert.equal(text((await other.messages.next()).payload), "yes");
  await leave5(device);
  await leave5(other);
}

async function session5() {
  const kept = { sessionExpiryIntervalSeconds: 3600 };
  const how = ["resumes", {}, kept, mqtt5.ClientSessionBehavior.RejoinAlways];
  const [first, writer] = [await connect5(...how), await connect5("writes")];
  assert.deepEqual(await subscribe5(first, "queued/+"), [1]);
  await leave5(first);
  await publish5(writer, "queued/1", "x");
  const second = await connect5(...how);
  assert.equal(second.settings.rejoinedSession, true);
  assert.equal((await second.messages.next()).topicName, "queued/1");
  await leave5(second);
  await leave5(writer);
}

async function will5() {
  const watcher = await connect5("watcher");
  assert.deepEqual(await subscribe5(watcher, "wills/5", "end"), [1, 1]);
  const will = { topicName: "wills/5", payload: "cut", qos };
  await leave5(await connect5("dies", {}, { will }));
  await publish5(watcher, "end", "no will");
  assert.equal(text((await watcher.messages.next()).payload), "no will");
  const dies = await connect5("dies", {}, { will });
  await leave5(dies, mqtt5.DisconnectReasonCode.DisconnectWithWillMessage);
  assert.equal(text((await watcher.messages.next()).payload), "cut");
  await leave5(watcher);
}

async function refusals5() {
  const said = "Client is not authenticated/authorized to send the message:";
  const forbidden = await refused5("forbidden-5");
  assert.equal(forbidden.error, "AWS_ERROR_MQTT5_CONNACK_CONNECTION_REFUSED");
  assert.equal(forbidden.connack.reasonCode, 135);
  assert.ok(forbidden.connack.reasonString.startsWith(`CONNACK:${said}`), "a reason string");
  const unknown = await refused5("unknown", { files: UNKNOWN });
  assert.deepEqual(unknown, { error: HANGUP, connack: undefined });
  const device = await connect5("refused");
  assert.deepEqual(await subscribe5(device, "allowed", "forbidden/x", "$SYS/#"), [1, 135, 143]);
  assert.equal(await publish5(device, "forbidden/x", "x"), 135);
  const disconnection = event(device.client, "disconnection");
  await publish5(device, "forbidden/x", "x", { qos: mqtt5.QoS.AtMostOnce });
  const cut = await cut5(disconnection, device);
  assert.equal(cut.error, "AWS_ERROR_MQTT5_DISCONNECT_RECEIVED");
  assert.equal(cut.disconnect.reasonCode, 135);
  assert.ok(cut.disconnect.reasonString.startsWith(`DISCONNECT:${said}`), "a reason string");
  const first = await connect5("taken");
  const takeover = event(first.client, "disconnection");
  const second = await connect5("taken");
  const { disconnect } = await cut5(takeover, first);
  assert.equal(disconnect.reasonCode, mqtt5.DisconnectReasonCode.SessionTakenOver);
  await leave5(second);
}

// === MQTT 3.1.1 ===

function builder3(way) {
  const Builder = iot.AwsIotMqttConnectionConfigBuilder;
  if (way === "wss") {
    const signed = { region: "us-east-1", credentials_provider: credentials() };
    return Builder.new_with_websockets(signed).with_port(TLS_PORT);
  }
  const [certificate, key] = way.files ?? DEVICE;
  return Builder.new_mtls_builder_from_path(certificate, key).with_port(way.port ?? MQTT_PORT);
}

function device3(clientId, way = {}, clean = true, will = undefined) {
  const builder = builder3(way)
    .with_certificate_authority_from_path(undefined, env.ROOT_CA)
    .with_endpoint("localhost")
    .with_client_id(clientId)
    .with_clean_session(clean)
    .with_reconnect_min_sec(60)
    .with_reconnect_max_sec(120);
  if (will) builder.with_will(will);
  const connection = new mqtt.MqttClient().new_connection(builder.build());
  const messages = inbox();
  connection.on("message", (topic, payload, dup, _qos, retain) =>
    messages.put([topic, text(payload), dup, retain]),
  );
  // An interruption that nobody waits for is no failure of the program.
  connection.on("error", () => {});
  return { connection, messages };
}

async function connect3(...how) {
  const device = device3(...how);
  const sessionPresent = await device.connection.connect();
  return { ...device, sessionPresent };
}

async function refused3(...how) {
  const { connection } = device3(...how);
  const error = await connection.connect().then(
    () => assert.fail("connected"),
    (error) => error,
  );
  return error.toString();
}

async function messages3(way) {
  const [device, other] = [await connect3("one", way), await connect3("two", way)];
  const { qos: granted } = await device.connection.subscribe("both/ways", 1);
  assert.equal(granted, 1);
  await other.connection.publish("both/ways", "x".repeat(100_000), 1);
  assert.deepEqual(await device.messages.next(), ["both/ways", "x".repeat(100_000), false, false]);
  await other.connection.subscribe("answers/here", 0);
  await device.connection.publish("answers/here", "yes", 0);
  assert.deepEqual(await other.messages.next(), ["answers/here", "yes", false, false]);
  await device.connection.disconnect();
  await other.connection.disconnect();
}

async function session3() {
  const [first, writer] = [await connect3("resumes-3", {}, false), await connect3("writes")];
  await first.connection.subscribe("queued/+", 1);
  await first.connection.disconnect();
  await writer.connection.publish("queued/3", "x", 1);
  const second = await connect3("resumes-3", {}, false);
  assert.equal(second.sessionPresent, true);
  assert.deepEqual(await second.messages.next(), ["queued/3", "x", false, false]);
  await second.connection.disconnect();
  await writer.connection.disconnect();
}

async function refusals3() {
  assert.match(await refused3("forbidden-311"), new RegExp(HANGUP));
  assert.match(await refused3("unknown", { files: UNKNOWN }), new RegExp(HANGUP));
  const watcher = await connect3("watcher");
  await watcher.connection.subscribe("wills/3", 1);
  const will = { topic: "wills/3", payload: "cut", qos: 1, retain: false };
  for (const topic of ["forbidden/x", "$SYS/x"]) {
    const device = await connect3("cut", {}, true, will);
    const interruption = event(device.connection, "interrupt");
    device.connection.publish(topic, "x", 1).catch(() => {});
    assert.equal((await interruption).error_name, HANGUP);
    assert.deepEqual(await watcher.messages.next(), ["wills/3", "cut", false, false]);
  }
  const first = await connect3("taken");
  const interruption = event(first.connection, "interrupt");
  const second = await connect3("taken");
  assert.equal((await interruption).error_name, HANGUP);
  await second.connection.disconnect();
  await watcher.connection.disconnect();
}

async function all() {
  await settings5();
  await session5();
  await will5();
  await refusals5();
  await session3();
  await refusals3();
  for (const way of [{}, { port: TLS_PORT }, "wss"]) {
    await messages5(way);
    await messages3(way);
  }
}

converse(all);
