"""Runs a Python handler on the Lambda Runtime API, with nothing but the standard library.

What a handler can see follows https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html:
the context object, the shape of errors, the format of log lines.
"""

import http.client
import importlib
import json
import logging
import os
import sys
import time
import traceback
from types import SimpleNamespace

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
ROOT = os.environ["LAMBDA_TASK_ROOT"]
PREFIX = "/2018-06-01/runtime/"
CURRENT = SimpleNamespace(request_id="")


def call(connection, method, path, body=None, headers=None):
    """One request on the connection that the whole process uses."""
    connection.request(method, PREFIX + path, body, headers or {})
    response = connection.getresponse()
    return response.headers, response.read()


def report_of(error_type, message, frames=()):
    """The JSON that AWS answers for a failed function."""
    stack = [str(frame) for frame in frames]
    report = {
        "errorMessage": message,
        "errorType": error_type,
        "requestId": CURRENT.request_id,
        "stackTrace": stack,
    }
    sys.stdout.write("[ERROR] {}: {}\n{}\n".format(error_type, message, "".join(stack)))
    sys.stdout.flush()
    return json.dumps(report).encode(), {"Lambda-Runtime-Function-Error-Type": error_type}


def report_of_exception(error):
    """The report of what a handler raised, without our own frames."""
    frames = traceback.extract_tb(error.__traceback__)
    frames = [frame for frame in frames if frame.filename != "<string>"]
    return report_of(type(error).__name__, str(error), traceback.format_list(frames))


class CannotStart(Exception):
    """The handler cannot be loaded; carries AWS's error type."""

    def __init__(self, error_type, message, frames=()):
        super().__init__(message)
        self.error_type = error_type
        self.frames = frames


def load(name):
    """The function that `folder/module.function` names."""
    path, dot, function = name.rpartition(".")
    if not dot or not path:
        raise CannotStart(
            "Runtime.MalformedHandlerName",
            "Bad handler '{}': not enough values to unpack (expected 2, got 1)".format(name),
        )
    try:
        module = importlib.import_module(path.replace("/", "."))
    except ImportError as error:
        message = "Unable to import module '{}': {}".format(path, error)
        raise CannotStart("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = "Syntax error in module '{}': {}".format(path, error)
        frames = ['  File "{}" Line {}\n    {}\n'.format(error.filename, error.lineno, error.text)]
        raise CannotStart("Runtime.UserCodeSyntaxError", message, frames) from error
    if not hasattr(module, function):
        message = "Handler '{}' missing on module '{}'".format(function, path)
        raise CannotStart("Runtime.HandlerNotFound", message)
    return getattr(module, function)


def client_context_of(text):
    """The client's context as attributes, or None."""
    if not text:
        return None
    fields = json.loads(text)
    return SimpleNamespace(
        client=SimpleNamespace(**fields.get("client", {})),
        custom=fields.get("custom"),
        env=fields.get("env"),
    )


class Context:
    """What a handler gets beside the event."""

    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.client_context = client_context_of(headers.get("Lambda-Runtime-Client-Context"))
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        """How long the handler may still take."""
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message):
        """Writes to the log."""
        sys.stdout.write(str(message))


class LogLine(logging.Formatter):
    """AWS's log line: level, time, request ID, message."""

    converter = time.gmtime

    def format(self, record):
        record.aws_request_id = CURRENT.request_id
        return super().format(record)


def set_up_logging():
    """Gives the root logger the handler that it has in AWS."""
    handler = logging.StreamHandler(sys.stdout)
    line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    handler.setFormatter(LogLine(line, "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().addHandler(handler)


def run(function, headers, body):
    """Handles one event: where to post, what, and with which headers."""
    CURRENT.request_id = headers["Lambda-Runtime-Aws-Request-Id"]
    os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
    try:
        result = function(json.loads(body), Context(headers))
    except Exception as error:  # a handler may raise whatever it likes
        return ("error", *report_of_exception(error))
    try:
        return "response", json.dumps(result).encode(), {}
    except (TypeError, ValueError) as error:
        message = "Unable to marshal response: {}".format(error)
        return ("error", *report_of("Runtime.MarshalError", message))


def main():
    """Loads the handler, then handles events until the emulator goes away."""
    connection = http.client.HTTPConnection(API)
    sys.path.insert(0, ROOT)
    set_up_logging()
    try:
        function = load(os.environ["_HANDLER"])
    except CannotStart as error:
        report = report_of(error.error_type, str(error), error.frames)
        call(connection, "POST", "init/error", *report)
        sys.exit(1)
    except Exception as error:  # a module may raise whatever it likes
        call(connection, "POST", "init/error", *report_of_exception(error))
        sys.exit(1)
    while True:
        headers, body = call(connection, "GET", "invocation/next")
        outcome, report, more = run(function, headers, body)
        sys.stdout.flush()
        sys.stderr.flush()
        path = "invocation/{}/{}".format(CURRENT.request_id, outcome)
        call(connection, "POST", path, report, more)


try:
    main()
except (OSError, http.client.HTTPException):
    sys.exit(1)
