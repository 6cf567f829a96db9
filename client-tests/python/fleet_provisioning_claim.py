"""A provisioning claim, from its first minute to its end: who holds it may be provisioned with its
template and nothing else, and after five minutes not even that.

claim.pem and claim.key, which `aws iot create-provisioning-claim` made, lie in the working
directory. VERSION is the version of MQTT, API_URL says where the emulator's clock is.
"""

import json
import os
import ssl

import paho_device
from paho_device import V5, V311, Device, advance, name, same

VERSION = {"3.1.1": V311, "5": V5}[os.environ["VERSION"]]
CREATE = "$aws/certificates/create/json"
FROM_CSR = "$aws/certificates/create-from-csr/json"
PROVISION = "$aws/provisioning-templates/Fleet/provision/json"
OTHER = "$aws/provisioning-templates/Other/provision/json"


def device(client_id, certificate, key):
    context = ssl.create_default_context(cafile=os.environ["ROOT_CA"])
    context.load_cert_chain(certificate, key)
    paho_device.context = context
    return Device(name(VERSION, client_id), VERSION)


def claim(client_id):
    return device(client_id, "claim.pem", "claim.key")


def asker(client_id):
    asker = claim(client_id).connect()
    filters = [f"{topic}/+" for topic in (CREATE, FROM_CSR, PROVISION)]
    same(asker.subscribe(*filters), [1, 1, 1])
    return asker


def ask(asker, topic, payload=""):
    same(asker.publish(topic, payload).code, 0)
    reply = asker.message()
    same(reply.topic, f"{topic}/accepted")
    return json.loads(reply.payload)


def is_provisioned(asker, serial):
    made = ask(asker, CREATE)
    token = made["certificateOwnershipToken"]
    request = {"certificateOwnershipToken": token, "parameters": {"SerialNumber": serial}}
    thing = ask(asker, PROVISION, json.dumps(request))["thingName"]
    for file, member in (("lamp.pem", "certificatePem"), ("lamp.key", "privateKey")):
        with open(file, "w", encoding="ascii") as opened:
            opened.write(made[member])
    return thing


def it_may_do_nothing_else():
    for topic in ("home", OTHER, "$aws/things/x/shadow/update"):
        refused = claim("refused").connect()
        if VERSION == V5:
            same(refused.publish(topic).code, 0x87)
            same(refused.subscribe(f"{topic}/accepted"), [0x87])
            refused.leave()
        else:
            refused.send(topic)
            refused.is_cut(0x87)
            refused = claim("refused").connect()
            refused.ask(f"{topic}/accepted")
            refused.is_cut(0x87)


early = asker("early")
same(is_provisioned(early, name(VERSION, "early")), name(VERSION, "lamp-early"))
it_may_do_nothing_else()
advance(299)
late = asker("late")
ask(late, CREATE)
# Two seconds later the claim has expired: whoever is connected is not heard any more.
advance(2)
for outlived, topic in ((early, CREATE), (late, FROM_CSR)):
    same(outlived.publish(topic).code, 0)
    outlived.is_cut(0x87)
    assert outlived.messages.empty(), "no reply"
# Nobody knows its certificate any more.
too_late = claim("too-late")
too_late.call()
too_late.next("gone")
print("all is as on AWS")
