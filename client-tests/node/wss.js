// MQTT over WebSocket with mqtt.js, as a web page would: a presigned URL says who it is, by SigV4.
//
// node wss.js PORT CLIENT_ID TOPIC [SESSION_TOKEN]; the root CA is the file ROOT_CA.

"use strict";

const fs = require("node:fs");
const mqtt = require("mqtt");

const { presigned } = require("./presigned");

const [port, clientId, topic, token] = process.argv.slice(2);

const client = mqtt.connect(presigned(`localhost:${port}`, token), {
  ca: fs.readFileSync(process.env.ROOT_CA),
  clientId,
  protocolVersion: 5,
  reconnectPeriod: 0,
  connectTimeout: 20000,
});
client.on("error", (error) => {
  console.log("error", error.message);
  process.exit(1);
});
client.on("message", async (on, payload) => {
  console.log("received", on, payload.toString());
  await client.endAsync();
  console.log("disconnected");
});
client.on("connect", async () => {
  console.log("connected");
  const granted = await client.subscribeAsync(topic, { qos: 1 }).catch((error) => error);
  if (granted instanceof Error) {
    console.log("not subscribed:", granted.message);
    process.exit(1);
  }
  await client.publishAsync(topic, "Hello", { qos: 1 });
});
