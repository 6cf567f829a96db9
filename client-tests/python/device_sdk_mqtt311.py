"""MQTT 3.1.1 with the AWS IoT Device SDK v2 for Python over mutual TLS."""

import json
import os
import queue

from awscrt import mqtt
from awscrt.exceptions import AwsCrtError
from awsiot import mqtt_connection_builder

from device_sdk import DEVICE, PATIENCE, UNKNOWN, advance, next_of, place, same

QOS_0, QOS_1 = mqtt.QoS.AT_MOST_ONCE, mqtt.QoS.AT_LEAST_ONCE
MQTT_PORT = int(os.environ["MQTT_PORT"])
HANGUP = "AWS_ERROR_MQTT_UNEXPECTED_HANGUP"


class Device:
    def __init__(self, client_id, port=MQTT_PORT, files=DEVICE, clean=True, will=None):
        self.interruptions, self.messages = queue.Queue(), queue.Queue()
        certificate, key = files
        self.connection = mqtt_connection_builder.mtls_from_path(
            certificate,
            key,
            client_id=client_id,
            clean_session=clean,
            will=will,
            keep_alive_secs=30,
            on_connection_interrupted=self.interrupt,
            # Nothing here comes back by itself.
            reconnect_min_timeout_secs=60,
            reconnect_max_timeout_secs=120,
            **place(port),
        )
        self.connection.on_message(self.receive)

    def interrupt(self, connection, error, **more):
        self.interruptions.put(error.name)

    def receive(self, topic, payload, dup, qos, retain, **more):
        self.messages.put((topic, payload.decode(), dup, qos, retain))

    def connect(self):
        self.session_present = self.connection.connect().result(PATIENCE)["session_present"]
        return self

    def is_refused(self):
        """The name of the error."""
        try:
            self.connection.connect().result(PATIENCE)
        except AwsCrtError as error:
            return error.name
        raise AssertionError("connected")

    def is_cut(self):
        """The name of the error. Nobody says goodbye then: that would wait for the next attempt."""
        return next_of(self.interruptions, "interruption")

    def leave(self):
        self.connection.disconnect().result(PATIENCE)

    def subscribe(self, filter, qos=QOS_1):
        return self.connection.subscribe(filter, qos)[0].result(PATIENCE)["qos"]

    def publish(self, topic, payload, qos=QOS_1, retain=False):
        self.connection.publish(topic, payload, qos, retain)[0].result(PATIENCE)

    def message(self):
        return next_of(self.messages, "message")


def messages_go_both_ways(port):
    device, other = Device("one", port).connect(), Device("two", port).connect()
    same(device.session_present, False)
    same(device.subscribe("both/ways"), QOS_1)
    other.publish("both/ways", "x" * 100_000)
    same(device.message(), ("both/ways", "x" * 100_000, False, QOS_1, False))
    same(other.subscribe("answers/here", QOS_0), QOS_0)
    device.publish("answers/here", "yes", QOS_0)
    same(other.message(), ("answers/here", "yes", False, QOS_0, False))
    device.connection.unsubscribe("both/ways")[0].result(PATIENCE)
    other.publish("both/ways", "to nobody")
    other.publish("kept", "retained", retain=True)
    same(device.subscribe("kept"), QOS_1)
    same(device.message(), ("kept", "retained", False, QOS_1, True))
    other.publish("kept", "", retain=True)
    same(device.message(), ("kept", "", False, QOS_1, False))
    device.leave()
    other.leave()


def a_session_is_resumed():
    device, writer = Device("resumes", clean=False).connect(), Device("writes").connect()
    same(device.subscribe("queued/+"), QOS_1)
    device.leave()
    for number in range(3):
        writer.publish(f"queued/{number}", "x")
    device = Device("resumes", clean=False).connect()
    same(device.session_present, True)
    expected = [(f"queued/{number}", "x", False, QOS_1, False) for number in range(3)]
    same([device.message() for _ in range(3)], expected)
    device.leave()
    advance(3601)
    device = Device("resumes", clean=False).connect()
    same(device.session_present, False)
    device.leave()
    writer.leave()


def a_will_is_sent_unless_the_client_says_goodbye():
    watcher = Device("watcher").connect()
    for filter in ("wills", "$aws/events/presence/disconnected/dies"):
        same(watcher.subscribe(filter), QOS_1)
    will = mqtt.Will("wills", QOS_1, b"cut", False)

    def end():
        return json.loads(watcher.message()[1])["disconnectReason"]

    Device("dies", will=will).connect().leave()
    same(end(), "CLIENT_INITIATED_DISCONNECT")
    first = Device("dies", will=will).connect()
    second = Device("dies").connect()
    same(first.is_cut(), HANGUP)
    same(watcher.message(), ("wills", "cut", False, QOS_1, False))
    same(end(), "DUPLICATE_CLIENTID")
    second.leave()
    watcher.leave()


def a_refusal_is_a_hangup():
    same(Device("forbidden-311").is_refused(), HANGUP)
    same(Device("unknown", files=UNKNOWN).is_refused(), HANGUP)
    will = mqtt.Will("wills", mqtt.QoS.EXACTLY_ONCE, b"x", False)
    same(Device("qos-2", will=will).is_refused(), HANGUP)

    device = Device("subscribes").connect()
    device.connection.subscribe("forbidden/x", QOS_1)
    same(device.is_cut(), HANGUP)
    for topic, qos in [("forbidden/x", QOS_0), ("forbidden/x", QOS_1), ("$SYS/x", QOS_1)]:
        device = Device("publishes").connect()
        device.connection.publish(topic, "x", qos)
        same(device.is_cut(), HANGUP)


messages_go_both_ways(MQTT_PORT)
messages_go_both_ways(443)
a_session_is_resumed()
a_will_is_sent_unless_the_client_says_goodbye()
a_refusal_is_a_hangup()
print("all is as on AWS")
