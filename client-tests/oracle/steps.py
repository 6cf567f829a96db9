"""Decides what a step of the course (course.py) is: a request of an account that must succeed."""

import json
import os
import urllib.error
import urllib.request

# How a page is asked for: its size, where it begins, and where the answer says that.
OLD_PAGES = ("pageSize", "marker", "nextMarker")
NEW_PAGES = ("maxResults", "nextToken", "nextToken")


class Failed(Exception):
    """What did not succeed, and what was answered."""


class Steps:
    """The steps of one account; `other` are those of a second one."""

    def __init__(self, oracle, account, other=None):
        self.oracle, self.account, self.other = oracle, account, other

    def __call__(self, name, **request):
        asked = self.oracle.ask(name, request, self.account)
        if asked is None:
            raise Failed(name, f"must succeed, but had no answer to {request}")
        answer, output = asked
        if answer.error:
            raise Failed(name, f"must succeed, but: {answer.error}: {answer.message} ({request})")
        return output

    def all(self, name, **request):
        """A list in one page, and with one entry in each."""
        self(name, **request)
        members = self.oracle.model.operation_model(name).input_shape.members
        size, start, following = OLD_PAGES if "pageSize" in members else NEW_PAGES
        page = self(name, **request, **{size: 1})
        while following in page:
            page = self(name, **request, **{size: 1, start: page[following]})

    def advance(self, seconds):
        """Moves the clock of the emulator."""
        opened("/_emulator/advance", data=json.dumps({"seconds": seconds}).encode())

    def settle(self):
        """Waits until nothing is under way."""
        opened("/_emulator/settled")

    def put(self, bucket, key, text):
        """Makes a bucket of S3 with an object in it."""
        scope = f"{self.account}/20260101/us-east-1/s3/aws4_request"
        signed = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        for path, data in ((bucket, b""), (f"{bucket}/{key}", text.encode())):
            opened(f"/{path}", data=data, method="PUT", headers={"Authorization": signed})


def opened(path, **request):
    """Asks the emulator for something that is no operation of AWS IoT."""
    url = os.environ["AWS_ENDPOINT_URL"] + path
    try:
        urllib.request.urlopen(urllib.request.Request(url, **request)).close()
    except urllib.error.HTTPError as refused:
        raise Failed(url, refused.read().decode()) from refused
