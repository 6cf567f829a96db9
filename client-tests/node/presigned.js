// A URL for MQTT over WebSocket that is signed with SigV4, as AWS's guide makes it.
"use strict";

const crypto = require("node:crypto");

const hmac = (key, text) => crypto.createHmac("sha256", key).update(text).digest();
const sha256 = (text) => crypto.createHash("sha256").update(text).digest("hex");

/** The session token is not signed, and stands at the end. */
exports.presigned = function presigned(host, token) {
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
};
