"""One call of each service with boto3, each answered in one line: what it was, and how it went.

signed.py STEP…; the emulator is found by AWS_ENDPOINT_URL, its TLS port as TLS_PORT, the root CA as
ROOT_CA. A step that is refused prints the exception, the HTTP status and the message.
"""

import io
import json
import os
import ssl
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

# Presigned URLs of S3 have the signature version 2 unless asked for another.
ONCE = Config(
    retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, signature_version="v4"
)
OF_S3 = ONCE.merge(Config(signature_version="s3v4"))
API = os.environ["AWS_ENDPOINT_URL"]
SECURE = API.replace("http://", "https://")
DATA = f"https://localhost:{os.environ['TLS_PORT']}"


def client(service, url=API):
    config = OF_S3 if service == "s3" else ONCE
    return boto3.client(service, endpoint_url=url, verify=os.environ["ROOT_CA"], config=config)


def fetched(url, method="GET", body=None):
    """Opens a presigned URL as anybody would."""
    context = ssl.create_default_context(cafile=os.environ["ROOT_CA"])
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().replace("\n", " ")


def presigned(service, operation, parameters, url=API, method="GET"):
    signer = client(service, url)
    seconds = int(os.environ.get("SECONDS", "60"))
    return fetched(
        signer.generate_presigned_url(operation, Params=parameters, ExpiresIn=seconds), method
    )


STEPS = {
    "iot": lambda: client("iot").list_things(maxResults=1),
    "iot-tags": lambda: client("iot").list_tags_for_resource(
        resourceArn="arn:aws:iot:us-east-1:000000000000:policy/none"
    ),
    "apigatewayv2": lambda: client("apigatewayv2").get_apis(),
    "lambda": lambda: client("lambda").invoke(FunctionName="echo", Payload=b'{"a": 1}'),
    "iot-data": lambda: client("iot-data").publish(topic="a/b c", qos=1, payload=b"x"),
    "tls": lambda: client("iot-data", DATA).publish(topic="a/b c", qos=1, payload=b"x"),
    "s3-bucket": lambda: client("s3").create_bucket(Bucket="trust"),
    "s3": lambda: client("s3").put_object(
        Bucket="trust", Key="a b/\u00e9+(1)~", Body=b"PEM", Metadata={"hall": "7  8"}
    ),
    "s3-stream": lambda: client("s3", SECURE).put_object(
        Bucket="trust", Key="stream", Body=io.BytesIO(b"x" * 100_000)
    ),
    "s3-list": lambda: client("s3").list_objects_v2(Bucket="trust", Prefix="a b"),
    "s3-url": lambda: presigned("s3", "get_object", {"Bucket": "trust", "Key": "a b/\u00e9+(1)~"}),
    "iot-url": lambda: presigned("iot", "list_things", {"maxResults": 1}),
    "s3-unsigned": lambda: fetched(f"{API}/trust/stream"),
}


for step in sys.argv[1:]:
    try:
        answer = STEPS[step]()
        if isinstance(answer, tuple):
            print(step, *answer, flush=True)
        else:
            print(step, answer["ResponseMetadata"]["HTTPStatusCode"], "ok", flush=True)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        print(step, status, json.dumps(error.response["Error"]), flush=True)
