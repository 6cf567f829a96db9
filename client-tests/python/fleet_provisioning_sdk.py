"""The fleet provisioning sample of the AWS IoT Device SDK v2 for Python: both of its clients, over
MQTT 3.1.1 and 5, with AWS's key and with a CSR. The device then comes back as what it has become.

claim.pem and claim.key lie in the working directory, and so do device.key and device.csr, which
openssl made. What the template `Fleet` says stands beside the test that runs this.
"""

import os
import queue

import awsiot
from awscrt import mqtt, mqtt5, mqtt_request_response
from awsiot import iotidentity, mqtt5_client_builder, mqtt_connection_builder

from device_sdk import PATIENCE, next_of, place, same

MQTT_PORT = int(os.environ["MQTT_PORT"])
CLAIM = ("claim.pem", "claim.key")


class Mqtt311:
    version = "311"

    def __init__(self, client_id, files):
        self.interruptions = queue.Queue()
        self.client = mqtt_connection_builder.mtls_from_path(
            *files,
            client_id=client_id,
            clean_session=True,
            keep_alive_secs=30,
            on_connection_interrupted=lambda connection, error, **_: self.interruptions.put(error),
            # Nothing here comes back by itself.
            reconnect_min_timeout_secs=60,
            reconnect_max_timeout_secs=120,
            **place(MQTT_PORT),
        )
        self.client.connect().result(PATIENCE)

    def publish(self, topic):
        self.client.publish(topic, "Hello", mqtt.QoS.AT_LEAST_ONCE)[0].result(PATIENCE)

    def may_not_publish(self, topic):
        """Nobody says goodbye after this: the connection is gone."""
        self.client.publish(topic, "Hello", mqtt.QoS.AT_LEAST_ONCE)
        error = next_of(self.interruptions, "interruption")
        same(error.name, "AWS_ERROR_MQTT_UNEXPECTED_HANGUP")

    def leave(self):
        self.client.disconnect().result(PATIENCE)


class Mqtt5:
    version = "5"

    def __init__(self, client_id, files):
        self.life = queue.Queue()
        self.client = mqtt5_client_builder.mtls_from_path(
            *files,
            client_id=client_id,
            on_lifecycle_connection_success=lambda data: self.life.put("connected"),
            on_lifecycle_connection_failure=lambda data: self.life.put(data.exception.name),
            on_lifecycle_stopped=lambda data: self.life.put("stopped"),
            min_reconnect_delay_ms=60_000,
            max_reconnect_delay_ms=120_000,
            **place(MQTT_PORT),
        )
        self.client.start()
        same(next_of(self.life, "connection"), "connected")

    def send(self, topic):
        packet = mqtt5.PublishPacket(topic=topic, payload="Hello", qos=mqtt5.QoS.AT_LEAST_ONCE)
        return self.client.publish(packet).result(PATIENCE).puback.reason_code

    def publish(self, topic):
        same(self.send(topic), mqtt5.PubackReasonCode.SUCCESS)

    def may_not_publish(self, topic):
        same(self.send(topic), mqtt5.PubackReasonCode.NOT_AUTHORIZED)
        self.leave()

    def leave(self):
        self.client.stop()
        same(next_of(self.life, "end"), "stopped")


class Refused(Exception):
    def __init__(self, said):
        self.said = (said.status_code, said.error_code, said.error_message)


class V1:
    """Subscribes and publishes, as AWS's older sample does."""

    version = "v1"

    def __init__(self, connection):
        self.client = iotidentity.IotIdentityClient(connection.client)
        self.answers, self.heard = queue.Queue(), set()

    def hear(self, operation, about):
        if operation in self.heard:
            return
        self.heard.add(operation)
        for word in ("accepted", "rejected"):
            subscribe = getattr(self.client, f"subscribe_to_{operation}_{word}")
            subscribed, _topic = subscribe(about, mqtt.QoS.AT_LEAST_ONCE, self.take(word))
            same(subscribed.result(PATIENCE), mqtt.QoS.AT_LEAST_ONCE)

    def take(self, word):
        return lambda said: self.answers.put((word, said))

    def ask(self, operation, request, about):
        self.hear(operation, about)
        publish = getattr(self.client, f"publish_{operation}")
        publish(request, mqtt.QoS.AT_LEAST_ONCE).result(PATIENCE)
        word, said = next_of(self.answers, operation)
        if word == "rejected":
            assert isinstance(said, iotidentity.ErrorResponse), said
            raise Refused(said)
        return said

    def create_keys(self):
        about = iotidentity.CreateKeysAndCertificateSubscriptionRequest()
        request = iotidentity.CreateKeysAndCertificateRequest()
        return self.ask("create_keys_and_certificate", request, about)

    def create_from_csr(self, request):
        about = iotidentity.CreateCertificateFromCsrSubscriptionRequest()
        return self.ask("create_certificate_from_csr", request, about)

    def register(self, request):
        about = iotidentity.RegisterThingSubscriptionRequest(template_name=request.template_name)
        return self.ask("register_thing", request, about)

    def close(self):
        pass


class V2:
    """Asks and awaits: subscriptions are the client's own business. It has room for those of one
    operation at a time, and so unsubscribes between them."""

    version = "v2"

    def __init__(self, connection):
        options = mqtt_request_response.ClientOptions(2, 2, PATIENCE)
        self.client = iotidentity.IotIdentityClientV2(connection.client, options)

    def ask(self, operation, request):
        try:
            return getattr(self.client, operation)(request).result(PATIENCE)
        except awsiot.V2ServiceException as error:
            assert error.modeled_error, error.inner_error
            raise Refused(error.modeled_error) from None

    def create_keys(self):
        request = iotidentity.CreateKeysAndCertificateRequest()
        return self.ask("create_keys_and_certificate", request)

    def create_from_csr(self, request):
        return self.ask("create_certificate_from_csr", request)

    def register(self, request):
        return self.ask("register_thing", request)

    def close(self):
        self.client = None


def is_refused(ask, request, *expected):
    try:
        said = ask(request)
    except Refused as refused:
        same(refused.said, expected)
    else:
        raise AssertionError(f"accepted: {said}")


def read(file):
    with open(file, encoding="ascii") as opened:
        return opened.read()


def write(file, text):
    with open(file, "w", encoding="ascii") as opened:
        opened.write(text)
    return file


def get_certificate(identity, way, name):
    """What was made, and the file of the key that belongs to it."""
    if way == "keys":
        made = identity.create_keys()
        assert made.private_key.startswith("-----BEGIN RSA PRIVATE KEY-----\n"), "an RSA key"
        return made, write(f"{name}.key", made.private_key)
    request = iotidentity.CreateCertificateFromCsrRequest
    is_refused(
        identity.create_from_csr,
        request(certificate_signing_request="no request"),
        400,
        "InvalidCertificateSigningRequest",
        "CSR violates constraints",
    )
    request = request(certificate_signing_request=read("device.csr"))
    return identity.create_from_csr(request), "device.key"


def a_device_is_provisioned(Connection, Identity, way):
    name = f"{Identity.version}-{Connection.version}-{way}"
    connection = Connection(f"claim-{name}", CLAIM)
    identity = Identity(connection)
    made, key = get_certificate(identity, way, name)
    same(len(made.certificate_id), 64)
    token = made.certificate_ownership_token

    def request(token, **parameters):
        return iotidentity.RegisterThingRequest(
            template_name="Fleet", certificate_ownership_token=token, parameters=parameters
        )

    said = "Cannot resolve reference value: SerialNumber"
    is_refused(identity.register, request(token), 400, "InvalidParameters", said)
    is_refused(
        identity.register,
        request("not a token", SerialNumber=name),
        400,
        "InvalidCertificateOwnershipToken",
        "Certificate ownership token is invalid.",
    )
    registered = identity.register(request(token, SerialNumber=name))
    same(registered.thing_name, f"lamp-{name}")
    configuration = {"FallbackUrl": "https://example.com/lamps", "Home": "WA"}
    same(registered.device_configuration, configuration)
    is_refused(
        identity.register,
        request(token, SerialNumber="another"),
        400,
        "InvalidCertificateOwnershipToken",
        "Certificate ownership token is invalid.",
    )
    identity.close()
    connection.leave()

    files = (write(f"{name}.pem", made.certificate_pem), key)
    device = Connection(registered.thing_name, files)
    device.publish(f"lamps/{registered.thing_name}/state")
    device.may_not_publish("lamps/lamp-other/state")


for Connection in (Mqtt311, Mqtt5):
    for Identity in (V1, V2):
        for way in ("keys", "csr"):
            a_device_is_provisioned(Connection, Identity, way)
print("all is as on AWS")
