"""How AWS answers a CONNECT, heard by paho-mqtt: the CONNACK to the number, clamps, client IDs,
refusals, takeovers."""

from paho_device import V5, V311, VERSIONS, Device, name, same


def the_connack_to_the_number():
    said = Device("numbers").connect(keep_alive=600, SessionExpiryInterval=600).connack.properties
    expected = {
        "SessionExpiryInterval": 600,
        "ReceiveMaximum": 100,
        "MaximumQoS": 1,
        "RetainAvailable": 1,
        "MaximumPacketSize": 149504,
        "TopicAliasMaximum": 8,
        "WildcardSubscriptionAvailable": 1,
        "SubscriptionIdentifierAvailable": 0,
        "SharedSubscriptionAvailable": 1,
        "ServerKeepAlive": 600,
    }
    same(said.json(), expected)


def session_expiry_and_keep_alive_are_brought_into_range():
    for asked, granted in [(600, 600), (600000, 3600), (0xFFFFFFFF, 3600)]:
        device = Device("expiry").connect(SessionExpiryInterval=asked)
        same(device.connack.properties.SessionExpiryInterval, granted)
        device.leave(SessionExpiryInterval=0)
    for asked, granted in [(5, 30), (30, 30), (900, 900), (1200, 1200), (65535, 1200), (0, 1200)]:
        device = Device("keep-alive").connect(keep_alive=asked)
        same(device.connack.properties.ServerKeepAlive, granted)
        device.leave()


def a_client_without_an_id_gets_one_that_it_cannot_use_again():
    first = Device("").connect()
    assigned = first.connack.properties.AssignedClientIdentifier
    assert assigned.startswith("$GEN/") and len(assigned) == len("$GEN/") + 36, assigned
    first.leave()
    Device(assigned).is_refused(0x85)
    Device(assigned, V311).is_refused(None)
    nameless = Device("", V311).connect()
    same(nameless.heard(), [])
    nameless.leave()


def what_no_policy_allows_is_refused():
    for version in VERSIONS:
        client_id = name(version, "forbidden")
        said = Device(client_id, version).is_refused(0x87)
        if version == V5:
            text = "CONNACK:Client is not authenticated/authorized to send the message:"
            assert said.startswith(text) and len(said) == len(text) + 36, said
            same(Device(client_id).is_refused(0x87, RequestProblemInformation=0), None)
        will = Device(name(version, "will"), version)
        will.will("forbidden/will", "x").is_refused(0x87)


def a_will_that_aws_does_not_serve_refuses_the_connect():
    for version in VERSIONS:
        client_id = name(version, "odd-will")
        Device(client_id, version).will("wills/x", "x", qos=2).is_refused(0x9B)
        Device(client_id, version).will("$SYS/x", "x").is_refused(0x90)


def a_client_takes_packets_of_512_bytes_at_least():
    Device("small").is_refused(0x80, MaximumPacketSize=511)
    device = Device("small").connect(MaximumPacketSize=512)
    same(device.subscribe("small"), [1])
    same(device.publish("small", "x" * 600).code, 0)
    same(device.publish("small", "fits").code, 0)
    same(device.texts(), [("small", "fits")])


def the_newcomer_wins():
    for old in VERSIONS:
        for new in VERSIONS:
            first = Device("taken", old).connect()
            second = Device("taken", new).connect()
            same(first.is_cut(0x8E), None)
            same(second.heard(), [])
            second.leave()


the_connack_to_the_number()
session_expiry_and_keep_alive_are_brought_into_range()
a_client_without_an_id_gets_one_that_it_cannot_use_again()
what_no_policy_allows_is_refused()
a_will_that_aws_does_not_serve_refuses_the_connect()
a_client_takes_packets_of_512_bytes_at_least()
the_newcomer_wins()
print("all is as on AWS")
