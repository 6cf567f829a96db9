"""What AWS does not let a connected client do, and how it says so, heard by paho-mqtt."""

from paho_device import V5, V311, VERSIONS, Device, name, properties, same

NOT_AUTHORIZED, TOPIC_INVALID, QUOTA, FILTER_INVALID, QOS = 0x87, 0x90, 0x97, 0x8F, 0x9B


def a_denied_publish_ends_a_connection_but_for_qos_1_of_mqtt_5():
    device = Device("publishes", V5).connect()
    same(device.publish("forbidden/x").code, NOT_AUTHORIZED)
    same(device.publish("forbidden/x", retain=True).code, NOT_AUTHORIZED)
    same(device.publish("$SYS/x").code, TOPIC_INVALID)
    same(device.publish("a/b/c/d/e/f/g/h/i").code, TOPIC_INVALID)
    same(device.publish("x" * 257).code, TOPIC_INVALID)
    same(device.publish("allowed").code, 0)
    same(device.publish("forbidden/x", qos=0).code, 0)  # sent, that is
    said = device.is_cut(NOT_AUTHORIZED)
    text = "DISCONNECT:Client is not authenticated/authorized to send the message:"
    assert said.startswith(text) and len(said) == len(text) + 36, said
    for qos in (0, 1):
        device = Device("publishes", V311).connect()
        device.send("forbidden/x", qos=qos)
        if qos == 0:
            device.next("PUBACK")
        device.is_cut(None)


def a_denied_subscribe_ends_mqtt_311_and_is_answered_for_each_filter_in_mqtt_5():
    device = Device("subscribes", V5).connect()
    filters = ["allowed", "forbidden/x", "$SYS/#", "a/b/c/d/e/f/g/h/#", "sensor/#"]
    codes = device.subscribe(*filters)
    same(codes, [1, NOT_AUTHORIZED, FILTER_INVALID, FILTER_INVALID, 1])
    same(device.unsubscribe("allowed"), [0])
    same(device.publish("sensor", "not below sensor/").code, 0)
    same(device.publish("sensor/", "below").code, 0)
    same(device.publish("sensor/1/x", "far below").code, 0)
    same(device.texts(), [("sensor/", "below"), ("sensor/1/x", "far below")])
    for filter in ("forbidden/x", "$SYS/#", "a/b/c/d/e/f/g/h/#"):
        device = Device("subscribes", V311).connect()
        device.ask("allowed", filter)
        device.is_cut(None)


def a_message_that_may_not_be_received_does_not_arrive():
    for version in VERSIONS:
        device = Device(name(version, "hears"), version).connect()
        same(device.subscribe("unheard/#", "heard/#"), [1, 1])
        same(device.publish("unheard/x", "no").code, 0)
        same(device.publish("heard/x", "yes").code, 0)
        same(device.texts(), [("heard/x", "yes")])
        device.leave()


def qos_2_is_not_served():
    for version in VERSIONS:
        device = Device(name(version, "qos-2"), version).connect()
        device.send("allowed", qos=2)
        device.is_cut(QOS)
        device = Device(name(version, "qos-2"), version).connect()
        device.ask("allowed", qos=2)
        device.is_cut(QOS)


def there_are_quotas():
    for version in VERSIONS:
        device = Device(name(version, "greedy"), version).connect()
        same(device.subscribe(*[f"many/{number}" for number in range(8)]), [1] * 8)
        for number in range(8, 50):
            same(device.subscribe(f"many/{number}"), [1])
        # One that it has already is not one more.
        codes = device.subscribe("many/49", "many/50")
        same(codes, [1, QUOTA if version == V5 else 0x80])
        same(device.unsubscribe("many/0")[:1], [0] if version == V5 else [])
        same(device.subscribe("many/50"), [1])
        device.ask(*[f"nine/{number}" for number in range(9)])
        device.is_cut(QUOTA)
    large = Device("large", V5).connect()
    same(large.publish("large", "x" * 128 * 1024).code, 0)
    large.send("large", "x" * (128 * 1024 + 1))
    large.is_cut(QUOTA)
    large = Device("large", V311).connect()
    same(large.publish("large", "x" * 128 * 1024).code, 0)
    large.send("large", "x" * (128 * 1024 + 1))
    large.is_cut(None)


def what_aws_does_not_serve_of_mqtt_5_ends_the_connection():
    device = Device("identifies", V5).connect()
    asked = properties("SUBSCRIBE", SubscriptionIdentifier=7)
    device.client.subscribe("allowed", 1, properties=asked)
    device.is_cut(0xA1)
    device = Device("aliases", V5).connect()
    same(device.publish("alias", TopicAlias=8).code, 0)
    device.send("alias", TopicAlias=9)
    device.is_cut(0x94)


a_denied_publish_ends_a_connection_but_for_qos_1_of_mqtt_5()
a_denied_subscribe_ends_mqtt_311_and_is_answered_for_each_filter_in_mqtt_5()
a_message_that_may_not_be_received_does_not_arrive()
qos_2_is_not_served()
there_are_quotas()
what_aws_does_not_serve_of_mqtt_5_ends_the_connection()
print("all is as on AWS")
