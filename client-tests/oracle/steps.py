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
        url = f"{os.environ['AWS_ENDPOINT_URL']}/_emulator/advance"
        body = json.dumps({"seconds": seconds}).encode()
        try:
            urllib.request.urlopen(url, body).close()
        except urllib.error.HTTPError as refused:
            raise Failed(url, refused.read().decode()) from refused
