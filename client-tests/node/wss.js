// MQTT over WebSocket with mqtt.js, as a web page would: a presigned URL says who it is, by SigV4.
//
// node wss.js PORT CLIENT_ID TOPIC [SESSION_TOKEN]; the root CA is the file ROOT_CA.

"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const mqtt = require("mqtt");

const [port, clientId, topic, token] = process.argv.slice(2);

const hmac = (key, text) => crypto.createHmac("sha256", key).update(text).digest();
const sha256 = (text) => crypto.createHash("sha256").update(text).digest("hex");

/** The URL that AWS's guide makes: the session token is not signed, and stands at the end. */
function presigned(host) {
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const scope = `${day}/us-east-1/iotdevicegateway/aws4_request`;
  const query = new URLSearchParams({
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${process.env.AWS_ACCESS_KEY_ID}/${scope}`,
    "X-Amz-Date": time,
    "X-Amz-SignedHeaders": "host",
  });
  const canonical = `GET\n/mqtt\n${query}\nhost:${host}\n\nhost\n${sha256("")}`;
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`;
  const secret = `AWS4${process.env.AWS_SECRET_ACCESS_KEY}`;
  const key = [day, "us-east-1", "iotdevicegateway", "aws4_request"].reduce(hmac, secret);
  query.append("X-Amz-Signature", hmac(key, text).toString("hex"));
  if (token) query.append("X-Amz-Security-Token", token);
  return `wss://${host}/mqtt?${query}`;
}

const client = mqtt.connect(presigned(`localhost:${port}`), {
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
