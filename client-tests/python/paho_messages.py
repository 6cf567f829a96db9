"""What becomes of a message between two clients of either version, heard by paho-mqtt: properties,
aliases, options of a subscription, retained messages, shared subscriptions."""

from paho.mqtt.subscribeoptions import SubscribeOptions

from paho_device import V5, V311, VERSIONS, Device, name, same

PASSING = {
    "PayloadFormatIndicator": 1,
    "ContentType": "application/json",
    "ResponseTopic": "answers/here",
    "CorrelationData": b"\x00\x01\xff",
    "UserProperty": [("b", "1"), ("a", "2"), ("b", "3")],
}


def properties_pass_in_order_to_mqtt_5_and_are_dropped_for_mqtt_311():
    old, new = [Device(name(it, "reads"), it).connect() for it in VERSIONS]
    for device in (old, new):
        same(device.subscribe("from/+"), [1])
    same(new.publish("from/5", '{"text": "\u00fc"}', **PASSING).code, 0)
    same(old.publish("from/311", "plain").code, 0)
    for device in (old, new):
        first, second = device.message(), device.message()
        same((first.topic, first.payload.decode(), first.qos), ("from/5", '{"text": "\u00fc"}', 1))
        same((second.topic, second.payload, second.dup), ("from/311", b"plain", False))
        expected = {} if device is old else {
            "PayloadFormatIndicator": 1,
            "ContentType": "application/json",
            "ResponseTopic": "answers/here",
            "CorrelationData": "0001ff",
            "UserProperty": [("b", "1"), ("a", "2"), ("b", "3")],
        }
        same(first.properties.json() if first.properties else {}, expected)
        same(second.properties.json() if second.properties else {}, {})
    # The answer finds its way in both directions.
    same(new.subscribe("answers/here"), [1])
    same(old.publish("answers/here", "answer", qos=0).code, 0)
    same(new.message().payload, b"answer")


def the_lower_qos_counts():
    reader, writer = Device("qos-reader").connect(), Device("qos-writer", V311).connect()
    same(reader.subscribe("zero", qos=0), [0])
    same(reader.subscribe("one", qos=1), [1])
    for topic in ("zero", "one"):
        for qos in (0, 1):
            same(writer.publish(topic, str(qos), qos=qos).code, 0)
    expected = [("zero", b"0", 0), ("zero", b"1", 0), ("one", b"0", 0), ("one", b"1", 1)]
    same([(it.topic, it.payload, it.qos) for it in reader.heard()], expected)


def an_alias_stands_for_its_topic():
    device = Device("alias").connect()
    same(device.subscribe("alias/+"), [1])
    same(device.publish("alias/one", "named", TopicAlias=1).code, 0)
    same(device.publish("", "by alias", TopicAlias=1).code, 0)
    same(device.publish("alias/two", "renamed", TopicAlias=1).code, 0)
    same(device.publish("", "by alias", TopicAlias=1).code, 0)
    expected = [
        ("alias/one", "named"),
        ("alias/one", "by alias"),
        ("alias/two", "renamed"),
        ("alias/two", "by alias"),
    ]
    same(device.texts(), expected)
    device.send("", "stands for nothing", TopicAlias=2)
    device.is_cut(0x82)


def no_local_and_retain_as_published():
    device, other = Device("local").connect(), Device("other").connect()
    same(device.subscribe(("local", SubscribeOptions(1, noLocal=True))), [1])
    as_published = ("kept", SubscribeOptions(1, retainAsPublished=True))
    same(device.subscribe(as_published, "not-kept"), [1, 1])
    for sender in (device, other):
        same(sender.publish("local", sender.client_id).code, 0)
    for topic in ("kept", "not-kept"):
        same(other.publish(topic, "x", retain=True).code, 0)
        same(other.publish(topic, "x").code, 0)
    expected = [
        ("local", "other", False),
        ("kept", "x", True),
        ("kept", "x", False),
        ("not-kept", "x", False),
        ("not-kept", "x", False),
    ]
    same([(it.topic, it.payload.decode(), it.retain) for it in device.heard()], expected)
    for topic in ("kept", "not-kept"):
        same(other.publish(topic, "", retain=True).code, 0)


def a_retained_message_comes_for_exactly_its_topic():
    writer = Device("retains").connect()
    same(writer.publish("retained/x", "kept", retain=True, **PASSING).code, 0)
    for version in VERSIONS:
        device = Device(name(version, "retained"), version).connect()
        same(device.subscribe("retained/+", "retained/#", "$share/group/retained/x"), [1, 1, 1])
        same(device.heard(), [])
        same(device.subscribe("retained/x"), [1])
        message = device.message()
        same((message.payload, message.retain, message.qos), (b"kept", True, 1))
        if version == V5:
            same(message.properties.UserProperty, PASSING["UserProperty"])
        # Each SUBSCRIBE brings it anew, unless MQTT 5 asks for something else.
        same(device.subscribe("retained/x"), [1])
        same([it.retain for it in device.heard()], [True])
        device.leave()
    device = Device("handles").connect()
    for handling, is_new, comes in [(2, True, []), (1, False, []), (0, False, [True])]:
        same(device.subscribe(("retained/x", SubscribeOptions(1, retainHandling=handling))), [1])
        same([it.retain for it in device.heard()], comes)
    same(device.unsubscribe("retained/x"), [0])
    same(device.subscribe(("retained/x", SubscribeOptions(1, retainHandling=1))), [1])
    same([it.retain for it in device.heard()], [True])
    # The empty message goes to who is there and takes the retained one away.
    same(writer.publish("retained/x", "", retain=True).code, 0)
    same([(it.payload, it.retain) for it in device.heard()], [(b"", False)])
    same(device.subscribe("retained/x"), [1])
    same(device.heard(), [])


def of_a_group_one_gets_each_message():
    members = [Device(name(it, f"member-{n}"), it).connect() for it in VERSIONS for n in (1, 2)]
    alone = Device("alone").connect()
    for member in members:
        same(member.subscribe("$share/team/jobs/+"), [1])
    same(alone.subscribe("$share/other/jobs/+"), [1])
    for number in range(40):
        same(alone.publish(f"jobs/{number}", "x", retain=number == 0).code, 0)
    everything = sorted(f"jobs/{number}" for number in range(40))
    same(sorted(topic for topic, _ in alone.texts()), everything)
    heard = [member.heard() for member in members]
    same(sorted(it.topic for one in heard for it in one), everything)
    same([it.topic for one in heard for it in one if it.retain], [])
    assert all(heard), "each member gets some"
    for member in members[:3]:
        member.unsubscribe("$share/team/jobs/+")
    for number in range(5):
        same(alone.publish(f"jobs/{number}", "x").code, 0)
    same(len(members[3].heard()), 5)
    same([len(member.heard()) for member in members[:3]], [0, 0, 0])
    same(alone.publish("jobs/0", "", retain=True).code, 0)


properties_pass_in_order_to_mqtt_5_and_are_dropped_for_mqtt_311()
the_lower_qos_counts()
an_alias_stands_for_its_topic()
no_local_and_retain_as_published()
a_retained_message_comes_for_exactly_its_topic()
of_a_group_one_gets_each_message()
print("all is as on AWS")
