"""What AWS keeps for a client that is away and says of one that goes, heard by paho-mqtt: sessions,
queued messages, wills, expiry, presence events. The emulator's clock is moved, never waited for."""

import json

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from paho_device import V5, V311, VERSIONS, Device, advance, name, same

KEPT = {"SessionExpiryInterval": 3600}


def persistent(version, text):
    """Connects with a session that outlives the connection."""
    asked = KEPT if version == V5 else {}
    return Device(name(version, text), version, clean=False).connect(**asked)


def a_session_keeps_subscriptions_and_qos_1_but_no_qos_0():
    writer = Device("writer").connect()
    for version in VERSIONS:
        device = persistent(version, "keeps")
        same((device.session_present, device.subscribe("news/+")), (False, [1]))
        device.vanish()
        for number in range(3):
            same(writer.publish(f"news/{number}", f"queued {number}").code, 0)
        same(writer.publish("news/3", "lost", qos=0).code, 0)
        device = persistent(version, "keeps")
        same(device.session_present, True)
        expected = [(f"news/{number}", f"queued {number}", 1, False) for number in range(3)]
        heard = [(it.topic, it.payload.decode(), it.qos, it.dup) for it in device.heard()]
        same(heard, expected)
        # The subscription needs nothing more, and ends with a clean session.
        same(writer.publish("news/4", "live").code, 0)
        same(device.texts(), [("news/4", "live")])
        device.leave()
        device = Device(device.client_id, version).connect()
        same(device.session_present, False)
        same(writer.publish("news/5", "gone").code, 0)
        same(device.heard(), [])
        device.leave()


def a_session_is_of_one_version_and_ends_after_an_hour():
    for old, new in [(V311, V5), (V5, V311)]:
        first = Device("either", old, clean=False).connect(**(KEPT if old == V5 else {}))
        same(first.subscribe("either"), [1])
        first.leave()
        second = Device("either", new, clean=False).connect(**(KEPT if new == V5 else {}))
        same(second.session_present, False)
        second.leave()
        Device("either", new).connect().leave()
    for version in VERSIONS:
        persistent(version, "hour").leave()
        advance(3599)
        device = persistent(version, "hour")
        same(device.session_present, True)
        device.leave()
        advance(3600)
        device = persistent(version, "hour")
        same(device.session_present, False)
        device.leave()
    # MQTT 5 may end it with its DISCONNECT.
    persistent(V5, "ends").leave(SessionExpiryInterval=0)
    same(persistent(V5, "ends").session_present, False)


def a_message_expires_and_says_what_is_left_of_it():
    writer, device = Device("writer-2").connect(), persistent(V5, "late")
    same(device.subscribe("late/+"), [1])
    device.leave()
    for topic, seconds in [("late/100", 100), ("late/10", 10), ("late/never", 9_999_999)]:
        same(writer.publish(topic, "x", MessageExpiryInterval=seconds).code, 0)
    same(writer.publish("late/without", "x").code, 0)
    advance(40)
    device = persistent(V5, "late")
    left = [(it.topic, it.properties.json().get("MessageExpiryInterval")) for it in device.heard()]
    same(left, [("late/100", 60), ("late/never", 604760), ("late/without", None)])
    device.leave(SessionExpiryInterval=0)


def a_message_without_puback_comes_again_without_dup():
    writer = Device("writer-3").connect()
    for version in VERSIONS:
        device = Device(name(version, "silent"), version, acknowledges=False).connect()
        same(device.subscribe(name(version, "again")), [1])
        same(writer.publish(name(version, "again"), "x").code, 0)
        first = device.message()
        advance(35)
        again = device.message()
        same((again.topic, again.payload, again.dup), (first.topic, b"x", False))
        device.client.ack(again.mid, 1)
        same(writer.publish(name(version, "again"), "y").code, 0)
        same(device.message().payload, b"y")
        device.vanish()


def unacknowledged_messages_fill_the_window():
    writer = Device("writer-4").connect()
    device = Device("window", acknowledges=False).connect(ReceiveMaximum=2)
    same(device.subscribe("window/+"), [1])
    for number in range(4):
        same(writer.publish(f"window/{number}", "x").code, 0)
    same(writer.publish("window/qos-0", "x", qos=0).code, 0)
    # QoS 0 passes by what the window holds back.
    first, second, passing = device.message(), device.message(), device.message()
    same([it.topic for it in (first, second, passing)], ["window/0", "window/1", "window/qos-0"])
    device.client.ack(second.mid, 1)
    same(device.message().topic, "window/2")
    device.client.ack(first.mid, 1)
    same(device.message().topic, "window/3")
    device.vanish()


def a_will_is_sent_unless_the_client_says_goodbye():
    watcher = Device("watcher").connect()
    same(watcher.subscribe("wills/+"), [1])
    for version in VERSIONS:
        topic = name(version, "wills/x")

        def dying():
            device = Device(name(version, "dying"), version)
            members = {"UserProperty": [("a", "1")], "ContentType": "text"} if version == V5 else {}
            return device.will(topic, "cut", retain=True, **members).connect()

        dying().leave()
        same(watcher.heard(), [])
        dying().vanish()
        will = watcher.message()
        same((will.topic, will.payload, will.qos, will.retain), (topic, b"cut", 1, False))
        if version == V5:
            expected = {"UserProperty": [("a", "1")], "ContentType": "text"}
            same(will.properties.json(), expected)
            dying().leave(reason=ReasonCode(PacketTypes.DISCONNECT, identifier=4))
            same(watcher.message().payload, b"cut")
        dying()
        Device(name(version, "dying"), version).connect()
        same(watcher.message().payload, b"cut")
        same(watcher.heard(), [])
        # RETAIN of the will counts.
        same(watcher.subscribe(topic), [1])
        same([(it.payload, it.retain) for it in watcher.heard()], [(b"cut", True)])
        same(watcher.unsubscribe(topic), [0])


def presence_events_say_who_came_and_went():
    watcher = Device("presence").connect()
    everything = Device("everything").connect()
    same(everything.subscribe("#"), [1])
    same(watcher.subscribe("$aws/events/presence/+/#", "$aws/events/subscriptions/#"), [1, 1])
    watcher.heard()
    for version in VERSIONS:
        client_id = name(version, "seen")
        device = Device(client_id, version).connect()
        same(device.subscribe("a", "b"), [1, 1])
        device.vanish()
        Device(client_id, version).connect().leave()
        events = [(it.topic, json.loads(it.payload)) for it in watcher.heard()]
        events = [(topic, it) for topic, it in events if it["clientId"] == client_id]
        kinds = [(topic.split("/")[3], it.get("disconnectReason")) for topic, it in events]
        expected = [
            ("connected", None),
            ("subscribed", None),
            ("disconnected", "CONNECTION_LOST"),
            ("connected", None),
            ("disconnected", "CLIENT_INITIATED_DISCONNECT"),
        ]
        same(kinds, expected)
        same(events[1][1]["topics"], ["a", "b"])
        same([it.get("versionNumber") for _, it in events], [0, None, 0, 1, 1])
        ends = [it for _, it in events if "disconnectReason" in it]
        same([it["clientInitiatedDisconnect"] for it in ends], [False, True])
    reserved = [it.topic for it in everything.heard() if it.topic.startswith("$")]
    same(reserved, [])


a_session_keeps_subscriptions_and_qos_1_but_no_qos_0()
a_session_is_of_one_version_and_ends_after_an_hour()
a_message_expires_and_says_what_is_left_of_it()
a_message_without_puback_comes_again_without_dup()
unacknowledged_messages_fill_the_window()
a_will_is_sent_unless_the_client_says_goodbye()
presence_events_say_who_came_and_went()
print("all is as on AWS")
