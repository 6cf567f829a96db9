"""Runs the AWS CLI for `aws` beside this file: imports it once, and forks for each call.

A call is `awscli.clidriver.main()` in a process of its own, with the caller's arguments,
environment, folder and standard streams; it reads configuration and credentials itself. Kept from
one call to the next are modules and the files that the CLI brings, nothing else. The server ends
when nobody has called for some seconds; a call ends with its caller.
"""

import atexit
import contextlib
import functools
import gc
import io
import os
import selectors
import signal
import socket
import struct
import sys
import threading
import traceback

# Before the imports, which may open files: nothing of the first caller stays open or in use.
os.closerange(3, 1024)
os.chdir("/")

import awscli.clidriver
import awscli.handlers  # which the CLI imports by name when it starts
from botocore import exceptions, loaders  # the copy in the CLI, which imports it so

# How long the server waits for the next call, and for a caller that says what it wants.
IDLE = 10
ASKED = 5

# Says where the CLI's own data lies; importing the CLI set it.
DATA = os.environ["AWS_DATA_PATH"]
LOADER = loaders.create_loader(DATA)


def keep_files():
    """Reads each file, and lists each folder, of the CLI's own data once. A call has no other."""
    load_file = functools.cache(loaders.JSONFileLoader().load_file)
    list_services = LOADER.list_available_services
    loaders.JSONFileLoader.load_file = lambda _, path: load_file(path)
    loaders.Loader.list_available_services = lambda _, type_name: list_services(type_name)


@functools.cache
def read_ahead(word):
    """Reads what a call with this argument will read, if the argument names a service."""
    if word not in LOADER.list_available_services(type_name="service-2"):
        return
    version = LOADER.determine_latest_version(word, "service-2")
    for kind in ("service-2", "paginators-1", "waiters-2", "endpoint-rule-set-1"):
        with contextlib.suppress(exceptions.DataNotFoundError):
            LOADER.load_service_model(word, kind, version)
    gc.freeze()


def streams():
    """Opens the standard streams as Python does at its start."""
    for fd, name, mode in ((0, "stdin", "rb"), (1, "stdout", "wb"), (2, "stderr", "wb")):
        old = getattr(sys, name)
        raw = open(fd, mode, closefd=False)
        by_line = name == "stderr" or os.isatty(fd)
        new = io.TextIOWrapper(raw, old.encoding, old.errors, newline="\n", line_buffering=by_line)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def run(arguments, environment):
    """Runs the CLI as its program does, and ends this process; Python's own end takes 0.2 s."""
    os.environ.clear()
    os.environb.update(environment)
    os.environ["AWS_DATA_PATH"] = DATA
    sys.argv = arguments
    try:
        streams()
        code = awscli.clidriver.main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    others = [each for each in threading.enumerate() if each is not threading.current_thread()]
    for thread in others:
        if not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit((code or 0) & 0xFF)


def read_request(connection):
    """The arguments and the environment of a call, and its descriptors."""
    data, descriptors, _, _ = socket.recv_fds(connection, 65536, 4)
    while data and (len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big")):
        more = connection.recv(65536)
        data = data + more if more else b""
    if not data or len(descriptors) != 4:
        for fd in descriptors:
            os.close(fd)
        raise OSError("the caller went away")
    count, *fields = data[4:].split(b"\0")
    arguments = [os.fsdecode(field) for field in fields[: int(count)]]
    environment = dict(field.split(b"=", 1) for field in fields[int(count) :])
    return arguments, environment, descriptors


class Server:
    """Everything waits in one selector: the next caller, callers that go away, calls that end."""

    def __init__(self, listener):
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, self.accept)

    def serve(self):
        while True:
            ready = self.selector.select(IDLE)
            if not ready and len(self.selector.get_map()) == 1:
                return
            for key, _ in ready:
                # One event may have taken another's descriptor away.
                if self.selector.get_map().get(key.fd) is key:
                    key.data()

    def accept(self):
        connection, _ = self.listener.accept()
        try:
            connection.settimeout(ASKED)
            peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            if struct.unpack("3i", peer)[1] != os.getuid():
                raise OSError("a stranger calls")
            call = read_request(connection)
        except OSError:
            connection.close()
            return
        self.fork(connection, *call)

    def fork(self, connection, arguments, environment, descriptors):
        for word in arguments[1:]:
            read_ahead(word)
        child = os.fork()
        if child == 0:
            # Nothing of the server stays open: a caller must see when it ends.
            for key in list(self.selector.get_map().values()):
                os.close(key.fd)
            self.selector.close()
            connection.close()
            for fd, standard in zip(descriptors, (0, 1, 2), strict=False):
                os.dup2(fd, standard)
            os.fchdir(descriptors[3])
            for fd in descriptors:
                os.close(fd)
            run(arguments, environment)
        for fd in descriptors:
            os.close(fd)
        ended = os.pidfd_open(child)
        end = functools.partial(self.end, connection, child, ended)
        left = functools.partial(signal.pidfd_send_signal, ended, signal.SIGKILL)
        self.selector.register(ended, selectors.EVENT_READ, end)
        self.selector.register(connection, selectors.EVENT_READ, left)
        try:
            connection.sendall(b"!")
        except OSError:
            left()

    def end(self, connection, child, ended):
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        self.selector.unregister(ended)
        self.selector.unregister(connection)
        os.close(ended)
        try:
            connection.sendall(b"%d" % (code if code >= 0 else 128 - code))
        except OSError:
            pass  # nobody wants to know
        connection.close()


keep_files()
for data in ("cli", "endpoints", "partitions", "sdk-default-configuration", "_retry"):
    LOADER.load_data(data)
gc.freeze()
Server(socket.socket(fileno=os.dup(0))).serve()
