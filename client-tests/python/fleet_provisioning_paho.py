"""Fleet provisioning as a microcontroller does it: paho-mqtt on the topics themselves, CBOR of
cbor2, MQTT 3.1.1 and 5. Each reply is read to its last byte, and goes to the asker alone.

claim.pem and claim.key lie in the working directory, and so do device.key and device.csr, which
openssl made. CERTIFICATE and PRIVATE_KEY are of a device that may do everything: it listens.
"""

import json
import os
import ssl

import cbor2
import paho_device
from paho_device import V5, VERSIONS, Device, name, same

CREATE = "$aws/certificates/create"
FROM_CSR = "$aws/certificates/create-from-csr"
PROVISION = "$aws/provisioning-templates/Fleet/provision"
MISSING = "$aws/provisioning-templates/Missing/provision"
UNREADABLE = {
    "statusCode": 400,
    "errorCode": "InvalidPayload",
    "errorMessage": "Message cannot be parsed",
}
CERTIFICATE = ["certificateId", "certificateOwnershipToken", "certificatePem"]
everybody = paho_device.context


def device(client_id, version, certificate, key):
    context = ssl.create_default_context(cafile=os.environ["ROOT_CA"])
    context.load_cert_chain(certificate, key)
    paho_device.context = context
    return Device(client_id, version).connect()


def claim(client_id, version):
    return device(client_id, version, "claim.pem", "claim.key")


def listener(client_id, version):
    paho_device.context = everybody
    return Device(client_id, version).connect()


def hear(asker, *topics):
    filters = [f"{topic}/{word}" for topic in topics for word in ("accepted", "rejected")]
    same(asker.subscribe(*filters), [1] * len(filters))


def ask(asker, topic, payload):
    """The word and the members of the reply."""
    same(asker.publish(topic, payload).code, 0)
    reply = asker.message()
    asked, _, word = reply.topic.rpartition("/")
    same((asked, reply.qos, reply.retain), (topic, 1, False))
    if topic.endswith("/json"):
        return word, json.loads(reply.payload)
    members = cbor2.loads(reply.payload)
    # No length is left open and nothing follows: the same members take the same bytes.
    same(cbor2.dumps(members), reply.payload)
    return word, members


def accepted(*asked):
    word, members = ask(*asked)
    assert word == "accepted", members
    return members


def rejected(asker, topic, payload, code, message):
    word, members = ask(asker, topic, payload)
    same(word, "rejected")
    same(members, {"statusCode": 400, "errorCode": code, "errorMessage": message})


def write(file, text):
    with open(file, "w", encoding="ascii") as opened:
        opened.write(text)
    return file


def certificates_come_in_cbor(asker):
    """Two of them, and the tokens that go with them."""
    keys = accepted(asker, f"{CREATE}/cbor", b"")
    same(sorted(keys), [*CERTIFICATE, "privateKey"])
    more = accepted(asker, f"{CREATE}/cbor", cbor2.dumps({}))
    assert more["certificateId"] != keys["certificateId"], "another certificate"

    with open("device.csr", encoding="ascii") as opened:
        request = cbor2.dumps({"certificateSigningRequest": opened.read()})
    signed = accepted(asker, f"{FROM_CSR}/cbor", request)
    same(sorted(signed), CERTIFICATE)
    code = "InvalidCertificateSigningRequest"
    empty = "Certificate signing request cannot be empty."
    rejected(asker, f"{FROM_CSR}/cbor", cbor2.dumps({}), code, empty)
    wrong = cbor2.dumps({"certificateSigningRequest": "no request"})
    rejected(asker, f"{FROM_CSR}/cbor", wrong, code, "CSR violates constraints")
    for payload in (b"", b"\xff", b"{}", cbor2.dumps([]), request + b"\x00", request[:-1]):
        same(ask(asker, f"{FROM_CSR}/cbor", payload), ("rejected", UNREADABLE))
    return keys, signed


def a_device_is_provisioned_in_cbor(version):
    serial = name(version, "cbor")
    asker = claim(f"claim-{serial}", version)
    hear(asker, f"{CREATE}/cbor", f"{FROM_CSR}/cbor")
    hear(asker, f"{PROVISION}/cbor", f"{PROVISION}/json", f"{MISSING}/cbor")
    keys, signed = certificates_come_in_cbor(asker)
    token = keys["certificateOwnershipToken"]

    def request(token, **parameters):
        return cbor2.dumps({"certificateOwnershipToken": token, "parameters": parameters})

    topic = f"{PROVISION}/cbor"
    text = json.dumps({"certificateOwnershipToken": token, "parameters": {"SerialNumber": serial}})
    wrong = [request(token, SerialNumber=value) for value in (b"bytes", [])]
    for payload in (b"", text, *wrong):
        same(ask(asker, topic, payload), ("rejected", UNREADABLE))
    missing = "Template with name Missing does not exist."
    rejected(asker, f"{MISSING}/cbor", request(token), "InvalidTemplate", missing)
    code = "InvalidCertificateOwnershipToken"
    empty = "Certificate ownership token cannot be empty."
    rejected(asker, topic, cbor2.dumps({"parameters": {"SerialNumber": serial}}), code, empty)
    rejected(asker, topic, request("x"), code, "Certificate ownership token is invalid.")
    unresolved = "Cannot resolve reference value: SerialNumber"
    rejected(asker, topic, request(token), "InvalidParameters", unresolved)

    said = accepted(asker, topic, request(token, SerialNumber=serial, Location="WI"))
    configuration = {"FallbackUrl": "https://example.com/lamps", "Home": "WI"}
    same(said, {"deviceConfiguration": configuration, "thingName": f"lamp-{serial}"})
    # What was asked for in CBOR is of use in JSON.
    token = signed["certificateOwnershipToken"]
    text = json.dumps({"certificateOwnershipToken": token, "parameters": {"SerialNumber": 7}})
    same(accepted(asker, f"{PROVISION}/json", text)["thingName"], "lamp-7")
    asker.leave()

    thing = f"lamp-{serial}"
    certificate = write(f"{serial}.pem", keys["certificatePem"])
    lamp = device(thing, version, certificate, write(f"{serial}.key", keys["privateKey"]))
    same(lamp.publish(f"lamps/{thing}/state", "on").code, 0)
    lamp.leave()


def only_the_asker_hears_of_it(version):
    topic = f"{CREATE}/json"
    others = [listener(name(version, f"listens-{number}"), version) for number in range(3)]
    same(others[0].subscribe(f"{topic}/+"), [1])
    hear(others[1], topic, f"{PROVISION}/json")
    # Nor does anybody hear what is asked, which holds a token.
    same(others[2].subscribe("$aws/certificates/#", "$aws/provisioning-templates/#"), [1, 1])
    askers = [claim(name(version, f"asks-{number}"), version) for number in range(2)]
    for asker in askers:
        same(asker.subscribe(f"{topic}/+", f"{PROVISION}/json/+"), [1, 1])
    made = [accepted(asker, topic, "")["certificateId"] for asker in askers]
    assert made[0] != made[1], "each has its own"
    for asker in askers:
        same(ask(asker, f"{PROVISION}/json", "{")[1], UNREADABLE)
        assert asker.messages.empty(), "one reply to one request"
    for other in others:
        same(other.heard(), [])
    # A listener that asks is answered, at the QoS that it subscribed with.
    same(others[0].subscribe(f"{topic}/accepted", qos=0), [0])
    others[0].unsubscribe(f"{topic}/+")
    same(others[0].publish(topic).code, 0)
    same(others[0].message().qos, 0)
    same(others[1].heard(), [])
    for one in others + askers:
        one.leave()


def who_has_not_subscribed_is_answered_too(version):
    """As AWS's own sample of 2020 relies on, which subscribes to what is rejected and no more."""
    asker = claim(name(version, "silent"), version)
    same(asker.subscribe(f"{CREATE}/json/rejected", f"{PROVISION}/json/rejected"), [1, 1])
    asker.send(f"{CREATE}/json", "{}", qos=0)
    asker.next("PUBACK")
    made = asker.message()
    same((made.topic, made.qos), (f"{CREATE}/json/accepted", 0))
    token = json.loads(made.payload)["certificateOwnershipToken"]
    serial = name(version, "silent")
    request = {"certificateOwnershipToken": token, "parameters": {"SerialNumber": serial}}
    asker.send(f"{PROVISION}/json", json.dumps(request), qos=0)
    asker.next("PUBACK")
    registered = asker.message()
    same(registered.topic, f"{PROVISION}/json/accepted")
    same(json.loads(registered.payload)["thingName"], f"lamp-{serial}")
    asker.leave()


for version in VERSIONS:
    a_device_is_provisioned_in_cbor(version)
    only_the_asker_hears_of_it(version)
    who_has_not_subscribed_is_answered_too(version)
print("all is as on AWS")
