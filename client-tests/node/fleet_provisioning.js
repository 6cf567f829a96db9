// The fleet provisioning sample of the AWS IoT Device SDK v2 for JavaScript: both of its clients,
// over MQTT 3.1.1 and 5, with AWS's key and with a CSR. The device then comes back as what it has
// become.
//
// claim.pem and claim.key lie in the working directory, and so do device.key and device.csr, which
// openssl made. MQTT_PORT and ROOT_CA say where the emulator is. What the template `Fleet` says
// stands beside the test that runs this.
"use strict";

const assert = require("node:assert/strict");
const { readFileSync, writeFileSync } = require("node:fs");
const { iot, iotidentity, mqtt, mqtt5 } = require("aws-iot-device-sdk-v2");

const { converse } = require("./conversation");

const { env } = process;
const PATIENCE = 20_000;
const MQTT_PORT = Number(env.MQTT_PORT);
const CLAIM = ["claim.pem", "claim.key"];
const QOS = mqtt.QoS.AtLeastOnce;

// What `begin` hands to its two functions; a wait has an end.
function within(what, begin) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${what}`)), PATIENCE);
    const ending = (end) => (value) => {
      clearTimeout(timer);
      end(value);
    };
    begin(ending(resolve), ending(reject));
  });
}

// The first event of this name, with the last thing that it tells.
const event = (emitter, name) =>
  within(name, (resolve) => emitter.once(name, (...told) => resolve(told.at(-1))));

// === two versions of MQTT ===

async function mqtt311(clientId, [certificate, key]) {
  const config = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(certificate, key)
    .with_port(MQTT_PORT)
    .with_certificate_authority_from_path(undefined, env.ROOT_CA)
    .with_endpoint("localhost")
    .with_client_id(clientId)
    .with_clean_session(true)
    .with_reconnect_min_sec(60)
    .with_reconnect_max_sec(120)
    .build();
  const client = new mqtt.MqttClient().new_connection(config);
  client.on("error", () => {});
  await client.connect();
  return {
    publish: (topic) => client.publish(topic, "Hello", QOS),
    async mayNotPublish(topic) {
      const interruption = event(client, "interrupt");
      client.publish(topic, "Hello", QOS).catch(() => {});
      assert.equal((await interruption).error_name, "AWS_ERROR_MQTT_UNEXPECTED_HANGUP");
    },
    leave: () => client.disconnect(),
    v1: () => new iotidentity.IotIdentityClient(client),
    v2: (options) => iotidentity.IotIdentityClientv2.newFromMqtt311(client, options),
  };
}

async function mqtt5Client(clientId, files) {
  const Builder = iot.AwsIotMqtt5ClientConfigBuilder;
  const config = Builder.newDirectMqttBuilderWithMtlsFromPath("localhost", ...files)
    .withPort(MQTT_PORT)
    .withCertificateAuthorityFromPath(undefined, env.ROOT_CA)
    .withConnectProperties({ clientId, keepAliveIntervalSeconds: 1000 })
    .withMinReconnectDelayMs(60_000)
    .withMaxReconnectDelayMs(120_000)
    .build();
  const client = new mqtt5.Mqtt5Client(config);
  const connected = event(client, "connectionSuccess");
  client.start();
  await connected;
  const publish = async (topicName) =>
    (await client.publish({ topicName, payload: "Hello", qos: QOS })).reasonCode;
  async function leave() {
    const stopped = event(client, "stopped");
    client.stop();
    await stopped;
    client.close();
  }
  return {
    publish: async (topic) => assert.equal(await publish(topic), 0),
    async mayNotPublish(topic) {
      assert.equal(await publish(topic), mqtt5.PubackReasonCode.NotAuthorized);
      await leave();
    },
    leave,
    v1: () => iotidentity.IotIdentityClient.newFromMqtt5Client(client),
    v2: (options) => iotidentity.IotIdentityClientv2.newFromMqtt5(client, options),
  };
}

// === two clients: what either answers, or throws, is AWS's ===

// Subscribes and publishes, as AWS's older sample does.
function v1(connection) {
  const client = connection.v1();
  const heard = new Set();
  let settle;
  async function ask(Operation, request, about) {
    if (!heard.has(Operation)) {
      heard.add(Operation);
      for (const word of ["Accepted", "Rejected"]) {
        const subscribe = client[`subscribeTo${Operation}${word}`].bind(client);
        const { qos } = await subscribe(about, QOS, (error, said) => settle(word, error, said));
        assert.equal(qos, QOS);
      }
    }
    const answer = within(`answer to ${Operation}`, (resolve, reject) => {
      settle = (word, error, said) =>
        error || word === "Rejected" ? reject(error ?? said) : resolve(said);
    });
    // The answer may come before the acknowledgement; whoever waits for both misses neither.
    const [said] = await Promise.all([answer, client[`publish${Operation}`](request, QOS)]);
    return said;
  }
  return {
    createKeys: () => ask("CreateKeysAndCertificate", {}, {}),
    createFromCsr: (request) => ask("CreateCertificateFromCsr", request, {}),
    register: (request) =>
      ask("RegisterThing", request, { templateName: request.templateName }),
    close() {},
  };
}

// Asks and awaits: subscriptions are the client's own business. It has room for those of one
// operation at a time, and so unsubscribes between them.
function v2(connection) {
  const client = connection.v2({
    maxRequestResponseSubscriptions: 2,
    maxStreamingSubscriptions: 2,
    operationTimeoutInSeconds: PATIENCE / 1000,
  });
  const ask = (asked) =>
    asked.catch((error) => {
      throw error.modeledError ?? error;
    });
  return {
    createKeys: () => ask(client.createKeysAndCertificate({})),
    createFromCsr: (request) => ask(client.createCertificateFromCsr(request)),
    register: (request) => ask(client.registerThing(request)),
    close: () => client.close(),
  };
}

// === the flow ===

async function isRefused(answer, errorCode, errorMessage) {
  const refused = await answer.then(
    (said) => assert.fail(`accepted: ${JSON.stringify(said)}`),
    (error) => error,
  );
  assert.deepEqual({ ...refused }, { statusCode: 400, errorCode, errorMessage });
}

function write(file, text) {
  writeFileSync(file, text);
  return file;
}

// What was made, and the file of the key that belongs to it.
async function getCertificate(identity, way, name) {
  const members = ["certificateId", "certificateOwnershipToken", "certificatePem"];
  if (way === "keys") {
    const made = await identity.createKeys();
    assert.deepEqual(Object.keys(made).sort(), [...members, "privateKey"]);
    return [made, write(`${name}.key`, made.privateKey)];
  }
  await isRefused(
    identity.createFromCsr({ certificateSigningRequest: "no request" }),
    "InvalidCertificateSigningRequest",
    "CSR violates constraints",
  );
  const certificateSigningRequest = readFileSync("device.csr", "ascii");
  const made = await identity.createFromCsr({ certificateSigningRequest });
  assert.deepEqual(Object.keys(made).sort(), members);
  return [made, "device.key"];
}

async function provision(version, connect, Identity, way) {
  const name = `${Identity.name}-${version}-${way}`;
  const connection = await connect(`claim-${name}`, CLAIM);
  const identity = Identity(connection);
  const [made, key] = await getCertificate(identity, way, name);
  const register = (certificateOwnershipToken, parameters) =>
    identity.register({ templateName: "Fleet", certificateOwnershipToken, parameters });
  const token = made.certificateOwnershipToken;
  const isInvalid = ["InvalidCertificateOwnershipToken", "Certificate ownership token is invalid."];
  const unresolved = "Cannot resolve reference value: SerialNumber";
  await isRefused(register(token, {}), "InvalidParameters", unresolved);
  await isRefused(register("not a token", { SerialNumber: name }), ...isInvalid);
  const { thingName, deviceConfiguration } = await register(token, { SerialNumber: name });
  assert.equal(thingName, `lamp-${name}`);
  assert.deepEqual(deviceConfiguration, { FallbackUrl: "https://example.com/lamps", Home: "WA" });
  await isRefused(register(token, { SerialNumber: "another" }), ...isInvalid);
  identity.close();
  await connection.leave();

  const device = await connect(thingName, [write(`${name}.pem`, made.certificatePem), key]);
  await device.publish(`lamps/${thingName}/state`);
  await device.mayNotPublish("lamps/lamp-other/state");
}

async function all() {
  for (const [version, connect] of [["311", mqtt311], ["5", mqtt5Client]]) {
    for (const Identity of [v1, v2]) {
      for (const way of ["keys", "csr"]) await provision(version, connect, Identity, way);
    }
  }
}

converse(all);
