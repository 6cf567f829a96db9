// The story of sdks.rs, told with the AWS SDK for JavaScript: it decides whether the SDK reads every
// answer as it reads AWS's.
//
// Runs beside ca.pem, verification.pem and device.pem; the emulator is found by AWS_ENDPOINT_URL.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const sdk = require("@aws-sdk/client-iot");

const iot = new sdk.IoTClient({ maxAttempts: 1 });
const pem = (name) => fs.readFileSync(name, "utf8");

// `ask("CreateThing", {…})`: by the operation's own name.
const ask = (operation, members = {}) => iot.send(new sdk[`${operation}Command`](members));

// The error of a call that must fail with this exception, as the SDK's own class of it.
async function refused(exception, operation, members) {
  const error = await ask(operation, members).then(
    () => assert.fail(`${operation} succeeded instead of ${exception}`),
    (error) => error,
  );
  assert.ok(error instanceof sdk[exception], `${error}`);
  assert.equal(error.name, exception);
  assert.ok(error.message, "a message");
  assert.ok(error.$metadata.requestId, "a request ID");
  return error;
}

function recent(date) {
  assert.ok(date instanceof Date, `${date}`);
  assert.ok(Math.abs(Date.now() - date.getTime()) < 5 * 60_000, `${date}`);
}

async function certificates() {
  const { registrationCode } = await ask("GetRegistrationCode");
  assert.equal(registrationCode.length, 64);
  const ca = await ask("RegisterCACertificate", {
    caCertificate: pem("ca.pem"),
    verificationCertificate: pem("verification.pem"),
    setAsActive: true,
    allowAutoRegistration: true,
  });
  const described = await ask("DescribeCACertificate", { certificateId: ca.certificateId });
  recent(described.certificateDescription.creationDate);
  const { notBefore, notAfter } = described.certificateDescription.validity;
  assert.ok(notBefore instanceof Date && notBefore < notAfter);
  const device = await ask("RegisterCertificate", {
    certificatePem: pem("device.pem"),
    caCertificatePem: pem("ca.pem"),
    status: "ACTIVE",
  });
  const ofCa = await ask("ListCertificatesByCA", { caCertificateId: ca.certificateId });
  assert.deepEqual(ofCa.certificates.map((it) => it.certificateId), [device.certificateId]);
  recent(ofCa.certificates[0].creationDate);
  const own = await ask("CreateKeysAndCertificate", { setAsActive: true });
  assert.match(own.keyPair.PrivateKey, /PRIVATE KEY/);
  return { ca, device, own };
}

async function attachments({ certificateArn }) {
  const statement = { Effect: "Allow", Action: "iot:Connect", Resource: "*" };
  const policyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  const policy = await ask("CreatePolicy", { policyName: "story", policyDocument });
  assert.equal(policy.policyDocument, policyDocument);
  await ask("AttachPolicy", { policyName: "story", target: certificateArn });
  const attached = await ask("ListAttachedPolicies", { target: certificateArn });
  assert.equal(attached.policies[0].policyName, "story");
  const attributePayload = { attributes: { hall: "7" } };
  const thing = await ask("CreateThing", { thingName: "sensor", attributePayload });
  await ask("AttachThingPrincipal", { thingName: "sensor", principal: certificateArn });
  const { principals } = await ask("ListThingPrincipals", { thingName: "sensor" });
  assert.deepEqual(principals, [certificateArn]);
  return thing;
}

async function things() {
  for (let number = 0; number < 60; number += 1) {
    await ask("CreateThing", { thingName: `thing-${number}` });
  }
  const sizes = [];
  const names = new Set();
  for await (const page of sdk.paginateListThings({ client: iot, pageSize: 25 }, {})) {
    sizes.push(page.things.length);
    page.things.forEach((thing) => names.add(thing.thingName));
  }
  assert.deepEqual(sizes, [25, 25, 11]);
  assert.equal(names.size, 61);
}

async function errors(thing) {
  const attributePayload = { attributes: { hall: "8" } };
  const create = { thingName: "sensor", attributePayload };
  const exists = await refused("ResourceAlreadyExistsException", "CreateThing", create);
  assert.equal(exists.resourceArn, thing.thingArn);
  assert.ok(exists.resourceId);
  const name = { thingName: "not a name" };
  const invalid = await refused("InvalidRequestException", "CreateThing", name);
  assert.match(invalid.message, /'thingName' failed to satisfy constraint/);
  await refused("ResourceNotFoundException", "DescribeThing", { thingName: "nobody" });
}

async function deletion({ ca, device, own }) {
  const { certificateArn: arn, certificateId } = device;
  await refused("CertificateStateException", "DeleteCertificate", { certificateId });
  await ask("UpdateCertificate", { certificateId, newStatus: "INACTIVE" });
  await refused("DeleteConflictException", "DeletePolicy", { policyName: "story" });
  await ask("DetachThingPrincipal", { thingName: "sensor", principal: arn });
  await refused("DeleteConflictException", "DeleteCertificate", { certificateId });
  await ask("DetachPolicy", { policyName: "story", target: arn });
  await ask("DeletePolicy", { policyName: "story" });
  await ask("DeleteCertificate", { certificateId });
  await refused("ResourceNotFoundException", "DescribeCertificate", { certificateId });
  await ask("DeleteThing", { thingName: "sensor" });
  const other = { certificateId: own.certificateId };
  await ask("UpdateCertificate", { ...other, newStatus: "INACTIVE" });
  await ask("DeleteCertificate", other);
  const ofCa = { certificateId: ca.certificateId };
  await refused("CertificateStateException", "DeleteCACertificate", ofCa);
  await ask("UpdateCACertificate", { ...ofCa, newStatus: "INACTIVE" });
  await ask("DeleteCACertificate", ofCa);
  assert.deepEqual((await ask("ListCACertificates")).certificates, []);
}

async function story() {
  const made = await certificates();
  const thing = await attachments(made.device);
  await things();
  await errors(thing);
  await deletion(made);
  console.log("the story is told");
}

story().catch((error) => {
  console.error(error);
  process.exit(1);
});
