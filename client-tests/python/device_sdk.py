"""What the conversations of the AWS IoT Device SDK v2 for Python share: where the emulator is, and
a way to its port for those who leave the port out and so mean 443.

MQTT_PORT, TLS_PORT, ROOT_CA, CERTIFICATE and PRIVATE_KEY say where the emulator is and who speaks,
UNKNOWN_CERTIFICATE and UNKNOWN_PRIVATE_KEY are of a device that nobody registered, API_URL is where
the emulator's clock is.
"""

import json
import os
import queue
import socket
import threading
import urllib.request

from awscrt import http

PATIENCE = 20
DEVICE = (os.environ["CERTIFICATE"], os.environ["PRIVATE_KEY"])
UNKNOWN = (os.environ["UNKNOWN_CERTIFICATE"], os.environ["UNKNOWN_PRIVATE_KEY"])


def same(said, expected):
    assert said == expected, f"\n  said     {said!r}\n  expected {expected!r}"


def next_of(events, what):
    try:
        return events.get(timeout=PATIENCE)
    except queue.Empty:
        raise AssertionError(f"no {what}") from None


def advance(seconds):
    """Moves the emulator's clock, and returns when all that became due is done."""
    body = json.dumps({"seconds": seconds}).encode()
    request = urllib.request.Request(os.environ["API_URL"] + "/_emulator/advance", body)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        same(answer.status, 200)


def place(port):
    """What a builder is told of the endpoint. Of port 443 it is told nothing: that is its default,
    there alone it offers ALPN, and a proxy knows where the emulator has it."""
    told = {"endpoint": "localhost", "ca_filepath": os.environ["ROOT_CA"]}
    if port == 443:
        told["http_proxy_options"] = http.HttpProxyOptions("localhost", proxy_to_443())
    else:
        told["port"] = port
    return told


def proxy_to_443():
    """Starts a proxy that leads `CONNECT localhost:443` to the emulator; its port."""
    listener = socket.create_server(("localhost", 0))

    def serve():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=tunnel, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


def tunnel(client):
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(4096)
    assert head.startswith(b"CONNECT localhost:443 "), head
    server = socket.create_connection(("localhost", int(os.environ["TLS_PORT"])))
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for source, target in ((client, server), (server, client)):
        threading.Thread(target=pump, args=(source, target), daemon=True).start()


def pump(source, target):
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()
