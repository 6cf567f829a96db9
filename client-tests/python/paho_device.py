"""A device that speaks with paho-mqtt, for the conversations beside it.

Whatever happens to its connection comes into one queue, in order, and is asked for by name: who
expects a PUBACK and gets a DISCONNECT fails, and nothing is waited for without end. Messages come
into a queue of their own.
MQTT_PORT, ROOT_CA, CERTIFICATE and PRIVATE_KEY say where the emulator is and who speaks, API_URL
where its clock is.
"""

import collections
import json
import os
import queue
import socket
import ssl
import urllib.request

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE = 20
V311, V5 = paho.MQTTv311, paho.MQTTv5
VERSIONS = (V311, V5)

News = collections.namedtuple("News", "what code properties more", defaults=(None, None, None))

context = ssl.create_default_context(cafile=os.environ["ROOT_CA"])
context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["PRIVATE_KEY"])


def name(version, text):
    """A name of its own for each version of MQTT, so that conversations do not meet."""
    return f"{text}-{'5' if version == V5 else '311'}"


def properties(packet, **members):
    made = Properties(getattr(PacketTypes, packet))
    for member, value in members.items():
        setattr(made, member, value)
    return made


def same(said, expected):
    assert said == expected, f"\n  said     {said!r}\n  expected {expected!r}"


def advance(seconds):
    """Moves the emulator's clock, and returns when all that became due is done."""
    body = json.dumps({"seconds": seconds}).encode()
    request = urllib.request.Request(os.environ["API_URL"] + "/_emulator/advance", body)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        same(answer.status, 200)


class Device:
    def __init__(self, client_id, version=V5, clean=True, acknowledges=True):
        self.client_id, self.version, self.clean = client_id, version, clean
        self.news, self.messages, self.marks = queue.Queue(), queue.Queue(), 0
        settings = {} if version == V5 else {"clean_session": clean}
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=not acknowledges,
            **settings,
        )
        self.client.tls_set_context(context)
        self.client.on_connect = lambda _client, _data, flags, code, said: self.tell(
            "CONNACK", code.value, said, flags.session_present
        )
        self.client.on_disconnect = lambda _client, _data, flags, code, said: self.tell(
            "DISCONNECT" if flags.is_disconnect_packet_from_server else "gone", code.value, said
        )
        self.client.on_subscribe = lambda _client, _data, _id, codes, said: self.tell(
            "SUBACK", [code.value for code in codes], said
        )
        self.client.on_unsubscribe = lambda _client, _data, _id, codes, said: self.tell(
            "UNSUBACK", [code.value for code in codes], said
        )
        # Of a QoS 0 message paho tells that it was sent.
        self.client.on_publish = lambda _client, _data, _id, code, said: self.tell(
            "PUBACK", code.value, said
        )
        # paho leaves Nagle's algorithm on, which holds an answer to a message back for 40 ms.
        self.client.on_socket_open = lambda _client, _data, opened: opened.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self.client.on_message = lambda _client, _data, message: self.messages.put(message)

    def tell(self, *news):
        self.news.put(News(*news))

    def next(self, what):
        try:
            news = self.news.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"{self.client_id}: no {what}") from None
        assert news.what == what, f"{self.client_id}: {news} instead of {what}"
        return news

    def will(self, topic, payload, qos=1, retain=False, **members):
        members = properties("WILLMESSAGE", **members) if self.version == V5 else None
        self.client.will_set(topic, payload, qos, retain, members)
        return self

    def call(self, keep_alive=60, **asked):
        """Sends a CONNECT."""
        settings = {}
        if self.version == V5:
            settings = {"clean_start": self.clean, "properties": properties("CONNECT", **asked)}
        self.client.connect("localhost", int(os.environ["MQTT_PORT"]), keep_alive, **settings)
        self.client.loop_start()

    def connect(self, keep_alive=60, **asked):
        """Connects, and answers the CONNACK as `connack`."""
        self.call(keep_alive, **asked)
        self.connack = self.next("CONNACK")
        same(self.connack.code, 0)
        self.session_present = self.connack.more
        return self

    def is_refused(self, code, **asked):
        """The CONNECT is answered as AWS does: MQTT 5 with `code`, MQTT 3.1.1 not at all."""
        self.call(**asked)
        reason = None
        if self.version == V5:
            connack = self.next("CONNACK")
            same(connack.code, code)
            reason = getattr(connack.properties, "ReasonString", None)
        self.next("gone")
        return reason

    def is_cut(self, code):
        """The connection ends: MQTT 5 is told why, MQTT 3.1.1 is hung up on without a word."""
        if self.version == V311:
            self.next("gone")
            return None
        said = self.next("DISCONNECT")
        same(said.code, code)
        return getattr(said.properties, "ReasonString", None)

    def ask(self, *filters, qos=1):
        """Sends a SUBSCRIBE."""
        if self.version == V5:
            options = SubscribeOptions(qos)
            self.client.subscribe([(it, options) if isinstance(it, str) else it for it in filters])
        else:
            self.client.subscribe([(it, qos) for it in filters])

    def subscribe(self, *filters, qos=1):
        """The codes of the SUBACK."""
        self.ask(*filters, qos=qos)
        return self.next("SUBACK").code

    def unsubscribe(self, *filters):
        self.client.unsubscribe(list(filters))
        return self.next("UNSUBACK").code

    def send(self, topic, payload="", qos=1, retain=False, **members):
        """Sends a PUBLISH."""
        if self.version == V5:
            members = properties("PUBLISH", **members)
            self.client.publish(topic, payload, qos, retain, members)
        else:
            self.client.publish(topic, payload, qos, retain)

    def publish(self, topic, payload="", qos=1, retain=False, **members):
        """Publishes, and answers the PUBACK."""
        self.send(topic, payload, qos, retain, **members)
        return self.next("PUBACK")

    def message(self):
        try:
            return self.messages.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"{self.client_id}: no message") from None

    def heard(self):
        """All that has come, up to a mark that the device sends to itself now."""
        self.marks += 1
        mark = f"marks/{self.client_id}/{self.marks}"
        same(self.subscribe(mark), [1])
        same(self.publish(mark).code, 0)
        heard = [self.message()]
        while heard[-1].topic != mark:
            heard.append(self.message())
        self.unsubscribe(mark)
        return heard[:-1]

    def texts(self):
        return [(it.topic, it.payload.decode()) for it in self.heard()]

    def leave(self, **asked):
        """Says DISCONNECT."""
        if self.version == V5:
            reason = asked.pop("reason", None)
            self.client.disconnect(reason, properties("DISCONNECT", **asked))
        else:
            self.client.disconnect()
        self.next("gone")
        self.client.loop_stop()

    def vanish(self):
        """Loses the connection, as a power cut does."""
        self.client.socket().shutdown(socket.SHUT_RDWR)
        self.next("gone")
        self.client.loop_stop()
