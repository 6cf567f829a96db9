"""MQTT over WebSocket with the AWS IoT Device SDK v2 for Python, signed with static credentials.

wss.py PORT CLIENT_ID TOPIC [SESSION_TOKEN]; the root CA is the file ROOT_CA. The first connection
speaks MQTT 5, the second MQTT 3.1.1. With SIGNED_IN=headers the handshakes are signed in headers,
and say which; else by the SDK's own presigned URL.
"""

import os
import sys
import threading

from awscrt import auth, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

port, client_id, topic = int(sys.argv[1]), sys.argv[2], sys.argv[3]
token = sys.argv[4] if len(sys.argv) > 4 else None
credentials = auth.AwsCredentialsProvider.new_static(
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], token
)
common = {
    "endpoint": "localhost",
    "port": port,
    "ca_filepath": os.environ["ROOT_CA"],
    "client_id": client_id,
}
if os.environ.get("SIGNED_IN") == "headers":

    def sign(transform_args, **kwargs):
        signing = auth.AwsSigningConfig(
            algorithm=auth.AwsSigningAlgorithm.V4,
            signature_type=auth.AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=credentials,
            region="us-east-1",
            service="iotdata",
        )

        def done(signed):
            authorization = dict(transform_args.http_request.headers).get("Authorization", "")
            say("signed headers:", authorization.partition("SignedHeaders=")[2].split(",")[0])
            transform_args.set_done(signed.exception())

        auth.aws_sign_request(transform_args.http_request, signing).add_done_callback(done)

    common["websocket_handshake_transform"] = sign
    mqtt5_client = mqtt5_client_builder.websockets_with_custom_handshake
    mqtt311_connection = mqtt_connection_builder.websockets_with_custom_handshake
else:
    common["region"] = "us-east-1"
    common["credentials_provider"] = credentials
    mqtt5_client = mqtt5_client_builder.websockets_with_default_aws_signing
    mqtt311_connection = mqtt_connection_builder.websockets_with_default_aws_signing
PATIENCE = 20
writing = threading.Lock()


def say(*words):
    """One line, whole: messages come on threads of their own."""
    with writing:
        print(*words, flush=True)


def speak_mqtt5():
    connected, received, stopped = threading.Event(), threading.Event(), threading.Event()

    def on_publish(data):
        packet = data.publish_packet
        say("received", packet.topic, packet.payload.decode())
        received.set()

    def failed(data):
        say("cannot connect:", data.exception)
        os._exit(1)

    client = mqtt5_client(
        on_lifecycle_connection_success=lambda data: connected.set(),
        on_lifecycle_connection_failure=failed,
        on_lifecycle_stopped=lambda data: stopped.set(),
        on_publish_received=on_publish,
        **common,
    )
    client.start()
    assert connected.wait(PATIENCE), "no CONNACK"
    qos = mqtt5.QoS.AT_LEAST_ONCE
    subscription = mqtt5.Subscription(topic_filter=topic, qos=qos)
    asked = client.subscribe(mqtt5.SubscribePacket(subscriptions=[subscription]))
    codes = [int(code) for code in asked.result(PATIENCE).reason_codes]
    say("suback", codes)
    if codes != [qos]:
        os._exit(1)
    # Larger than one frame of some clients, and than one read of the server.
    packet = mqtt5.PublishPacket(topic=topic, qos=qos, payload=b"5" * 100_000)
    asked = client.publish(packet).result(PATIENCE)
    say("puback", int(asked.puback.reason_code))
    assert received.wait(PATIENCE), "the message did not come back"
    client.stop(mqtt5.DisconnectPacket())
    assert stopped.wait(PATIENCE), "not stopped"


def speak_mqtt311():
    received = threading.Event()

    def on_message(topic, payload, **kwargs):
        say("received", topic, payload.decode())
        received.set()

    connection = mqtt311_connection(**common)
    connection.connect().result(PATIENCE)
    connection.subscribe(topic, mqtt.QoS.AT_LEAST_ONCE, on_message)[0].result(PATIENCE)
    connection.publish(topic, "three", mqtt.QoS.AT_LEAST_ONCE)[0].result(PATIENCE)
    assert received.wait(PATIENCE), "the message did not come back"
    connection.disconnect().result(PATIENCE)


speak_mqtt5()
speak_mqtt311()
say("disconnected")
