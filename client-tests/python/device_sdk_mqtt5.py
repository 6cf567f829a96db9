"""MQTT 5 with the AWS IoT Device SDK v2 for Python over mutual TLS: what its own objects say of the
emulator is what AWS's own tests of the SDK say of AWS."""

import json
import os
import queue

from awscrt import mqtt5
from awsiot import mqtt5_client_builder

from device_sdk import DEVICE, PATIENCE, UNKNOWN, advance, next_of, place, same

QOS_0, QOS_1 = mqtt5.QoS.AT_MOST_ONCE, mqtt5.QoS.AT_LEAST_ONCE
MQTT_PORT = int(os.environ["MQTT_PORT"])
RESUMES = mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS


class Device:
    def __init__(self, client_id, port=MQTT_PORT, files=DEVICE, holds=False, **more):
        self.life, self.messages, self.held = queue.Queue(), queue.Queue(), queue.Queue()
        self.holds = holds
        certificate, key = files
        self.client = mqtt5_client_builder.mtls_from_path(
            certificate,
            key,
            client_id=client_id,
            on_lifecycle_connection_success=lambda data: self.life.put(("connected", data)),
            on_lifecycle_connection_failure=lambda data: self.life.put(("failed", data)),
            on_lifecycle_disconnection=lambda data: self.life.put(("disconnected", data)),
            on_lifecycle_stopped=lambda data: self.life.put(("stopped", data)),
            on_publish_received=self.receive,
            # Nothing here comes back by itself.
            min_reconnect_delay_ms=60_000,
            max_reconnect_delay_ms=120_000,
            **place(port),
            **more,
        )

    def receive(self, data):
        if self.holds:
            self.held.put(data.acquire_publish_acknowledgement_control())
        self.messages.put(data.publish_packet)

    def next(self, what):
        kind, data = next_of(self.life, what)
        assert kind == what, f"{kind} instead of {what}: {data}"
        return data

    def connect(self):
        self.client.start()
        data = self.next("connected")
        self.connack, self.settings = data.connack_packet, data.negotiated_settings
        return self

    def is_refused(self):
        """Name of the error, and the CONNACK if there was one."""
        self.client.start()
        data = self.next("failed")
        self.client.stop()
        self.next("stopped")
        return data.exception.name, data.connack_packet

    def is_cut(self):
        """Name of the error, and the DISCONNECT."""
        data = self.next("disconnected")
        self.client.stop()
        self.next("stopped")
        return data.exception.name, data.disconnect_packet

    def leave(self, reason=mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION):
        self.client.stop(mqtt5.DisconnectPacket(reason_code=reason))
        self.next("disconnected")
        self.next("stopped")

    def vanish(self):
        """Stops without a DISCONNECT."""
        self.client.stop()
        self.next("disconnected")
        self.next("stopped")

    def subscribe(self, *filters, qos=QOS_1, **options):
        asked = [mqtt5.Subscription(topic_filter=it, qos=qos, **options) for it in filters]
        packet = mqtt5.SubscribePacket(subscriptions=asked)
        return [int(it) for it in self.client.subscribe(packet).result(PATIENCE).reason_codes]

    def publish(self, topic, payload, qos=QOS_1, **more):
        """The code of the PUBACK; none with QoS 0."""
        packet = mqtt5.PublishPacket(topic=topic, payload=payload, qos=qos, **more)
        return self.client.publish(packet).result(PATIENCE).puback.reason_code

    def message(self):
        return next_of(self.messages, "message")


def the_settings_are_those_of_aws():
    asked = {"session_expiry_interval_sec": 600, "keep_alive_interval_sec": 1000}
    device = Device("settings", **asked).connect()
    settings = device.settings
    same(device.connack.assigned_client_identifier, None)
    same(settings.session_expiry_interval_sec, 600)
    same(settings.server_keep_alive_sec, 1000)
    same(settings.maximum_qos, QOS_1)
    same(settings.receive_maximum_from_server, 100)
    same(settings.maximum_packet_size_to_server, 149504)
    same(settings.topic_alias_maximum_to_server, 8)
    same(settings.topic_alias_maximum_to_client, 0)
    same(settings.retain_available, True)
    same(settings.wildcard_subscriptions_available, True)
    same(settings.subscription_identifiers_available, False)
    same(settings.shared_subscriptions_available, True)
    same((settings.rejoined_session, settings.client_id), (False, "settings"))
    device.leave()

    device = Device("settings", session_expiry_interval_sec=600_000).connect()
    same(device.settings.session_expiry_interval_sec, 3600)
    device.leave()

    most = {"session_expiry_interval_sec": 0xFFFFFFFF, "keep_alive_interval_sec": 0xFFFF}
    most |= {"receive_maximum": 0xFFFF, "maximum_packet_size": 0xFFFFFFFF}
    device = Device("settings", **most).connect()
    same(device.settings.session_expiry_interval_sec, 3600)
    same(device.settings.server_keep_alive_sec, 1200)
    same(device.settings.receive_maximum_from_server, 100)
    same(device.settings.maximum_packet_size_to_server, 149504)
    device.leave()

    error, connack = Device("$GEN/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0").is_refused()
    same(error, "AWS_ERROR_MQTT5_CONNACK_CONNECTION_REFUSED")
    same(connack.reason_code, mqtt5.ConnectReasonCode.CLIENT_IDENTIFIER_NOT_VALID)


def messages_go_both_ways(port):
    device, other = Device("one", port).connect(), Device("two", port).connect()
    same(device.subscribe("both/ways"), [1])
    more = {
        "payload_format_indicator": mqtt5.PayloadFormatIndicator.AWS_MQTT5_PFI_UTF8,
        "content_type": "text/plain",
        "response_topic": "answers/here",
        "correlation_data_bytes": b"\x00\xff",
        "user_properties": [mqtt5.UserProperty("b", "1"), mqtt5.UserProperty("a", "2")],
        "message_expiry_interval_sec": 60,
    }
    said = other.publish("both/ways", b"x" * 100_000, **more)
    same(said, mqtt5.PubackReasonCode.SUCCESS)
    packet = device.message()
    same((packet.topic, packet.qos, len(packet.payload)), ("both/ways", QOS_1, 100_000))
    same({member: getattr(packet, member) for member in more}, more)
    same(other.subscribe("answers/here", qos=QOS_0), [0])
    same(device.publish("answers/here", "yes", qos=QOS_0), None)
    same(other.message().payload, b"yes")
    packet = mqtt5.UnsubscribePacket(topic_filters=["both/ways"])
    same([int(it) for it in device.client.unsubscribe(packet).result(PATIENCE).reason_codes], [0])
    # Not to itself, if it asks for that.
    same(device.subscribe("local", no_local=True), [1])
    for sender in (device, other):
        sender.publish("local", sender.settings.client_id)
    same(device.message().payload, b"two")
    device.leave()
    other.leave()


def aliases_save_topics():
    lru = mqtt5.TopicAliasingOptions(
        outbound_behavior=mqtt5.OutboundTopicAliasBehaviorType.LRU, outbound_cache_max_size=8
    )
    device = Device("alias", topic_aliasing_options=lru).connect()
    same(device.subscribe("alias/+"), [1])
    # More topics than aliases, so that some are given anew.
    topics = [f"alias/{number}" for number in [*range(9), *range(9), 8, 8]]
    for topic in topics:
        device.publish(topic, topic)
    for topic in topics:
        packet = device.message()
        same((packet.topic, packet.payload), (topic, topic.encode()))
    device.leave()


def a_session_is_resumed():
    kept = {"session_expiry_interval_sec": 3600, "session_behavior": RESUMES}
    device, writer = Device("resumes", **kept).connect(), Device("writes").connect()
    same(device.subscribe("queued/+"), [1])
    device.leave()
    for number in range(3):
        writer.publish(f"queued/{number}", "x")
    device = Device("resumes", **kept).connect()
    same(device.settings.rejoined_session, True)
    same([device.message().topic for _ in range(3)], [f"queued/{number}" for number in range(3)])
    device.leave()
    writer.leave()


def a_held_puback_brings_the_message_again():
    device = Device("holds", holds=True).connect()
    same(device.subscribe("again"), [1])
    device.publish("again", "x")
    same(device.message().payload, b"x")
    advance(35)
    same(device.message().payload, b"x")
    next_of(device.held, "handle")
    device.client.invoke_publish_acknowledgement(next_of(device.held, "handle"))
    device.leave()


def a_will_is_sent_unless_the_client_says_goodbye():
    watcher = Device("watcher").connect()
    same(watcher.subscribe("wills", "$aws/events/presence/disconnected/dies"), [1, 1])

    def dying():
        will = mqtt5.PublishPacket(topic="wills", payload="cut", qos=QOS_1)
        return Device("dies", will=will, will_delay_interval_sec=0).connect()

    def end():
        return json.loads(watcher.message().payload)["disconnectReason"]

    dying().leave()
    same(end(), "CLIENT_INITIATED_DISCONNECT")
    dying().leave(mqtt5.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE)
    same(watcher.message().payload, b"cut")
    same(end(), "CLIENT_INITIATED_DISCONNECT")
    # The SDK stops without a DISCONNECT unless it is given one.
    dying().vanish()
    same(watcher.message().payload, b"cut")
    same(end(), "CONNECTION_LOST")
    watcher.leave()


def a_refusal_has_a_code_and_a_reason():
    text = "Client is not authenticated/authorized to send the message:"
    error, connack = Device("forbidden-5").is_refused()
    same(error, "AWS_ERROR_MQTT5_CONNACK_CONNECTION_REFUSED")
    same(int(connack.reason_code), 135)
    assert connack.reason_string.startswith("CONNACK:" + text), connack
    error, connack = Device("unknown", files=UNKNOWN).is_refused()
    same((error, connack), ("AWS_ERROR_MQTT_UNEXPECTED_HANGUP", None))
    device = Device("refused").connect()
    same(device.subscribe("allowed", "forbidden/x", "$SYS/#"), [1, 135, 143])
    same(device.publish("forbidden/x", "x"), mqtt5.PubackReasonCode.NOT_AUTHORIZED)
    device.publish("forbidden/x", "x", qos=QOS_0)
    error, disconnect = device.is_cut()
    same(error, "AWS_ERROR_MQTT5_DISCONNECT_RECEIVED")
    same(disconnect.reason_code, mqtt5.DisconnectReasonCode.NOT_AUTHORIZED)
    assert disconnect.reason_string.startswith("DISCONNECT:" + text), disconnect


def the_newcomer_wins():
    first, second = Device("taken").connect(), Device("taken").connect()
    error, disconnect = first.is_cut()
    same(error, "AWS_ERROR_MQTT5_DISCONNECT_RECEIVED")
    same(disconnect.reason_code, mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER)
    second.leave()


the_settings_are_those_of_aws()
messages_go_both_ways(MQTT_PORT)
messages_go_both_ways(443)
aliases_save_topics()
a_session_is_resumed()
a_held_puback_brings_the_message_again()
a_will_is_sent_unless_the_client_says_goodbye()
a_refusal_has_a_code_and_a_reason()
the_newcomer_wins()
print("all is as on AWS")
