"""Decides which values are valid: what a request carries where nothing is to be wrong with it.

A member's value comes from a table by the name of its shape, from what the run has learned so far (ARNs,
IDs), or from the shape's own pattern and bounds. Nothing is random, so that two runs send the same.
"""

import functools
import json
import re
from re import _parser as expressions

ARN = "arn:aws:iot:us-east-1:000000000000:"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}],
}


def template(**certificate):
    """A provisioning template with a certificate of these properties."""
    resources = {
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": certificate},
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "Name"}}},
        "policy": {
            "Type": "AWS::IoT::Policy",
            "Properties": {"PolicyDocument": json.dumps(POLICY)},
        },
    }
    names = ("Name", "CSR", "AWS::IoT::Certificate::Id")
    parameters = {name: {"Type": "String"} for name in names}
    return json.dumps({"Parameters": parameters, "Resources": resources})


FOR_KNOWN = template(CertificateId={"Ref": "AWS::IoT::Certificate::Id"}, Status="Active")
REQUEST = """-----BEGIN CERTIFICATE REQUEST-----
MIHMMHMCAQAwETEPMA0GA1UEAwwGb3JhY2xlMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEh4RKqowGvy4U60GGVkICMkqsQ5F6gWY+knnj7sxMGdebFTEEo0BFCTkf
ZnwLxWEVDbar4jbtAeZjOxSY2X0wcKAAMAoGCCqGSM49BAMCA0kAMEYCIQC41Mla
BbAafnYb5wtwTVZ9zUzAdKfCPSu5j7lNRlljWQIhAIQruk8tTMx/K5v9+cMniw0J
pTujNkdSEMBGvkMXn/KC
-----END CERTIFICATE REQUEST-----
"""

# By the name of the shape.
BY_SHAPE = {
    "ActionList": [
        {"lambda": {"functionArn": "arn:aws:lambda:us-east-1:000000000000:function:oracle"}}
    ],
    "AuthInfo": {"actionType": "CONNECT", "resources": [f"{ARN}client/oracle"]},
    "AwsAccountId": "333333333333",
    "CertificateSigningRequest": REQUEST,
    "Cidr": "127.0.0.0/8",
    "DomainName": "devices.example.com",
    "EndpointType": "iot:Data-ATS",
    "LambdaArn": "arn:aws:lambda:us-east-1:000000000000:function:hook",
    "AuthorizerFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:hook",
    "Marker": "b3JhY2xl",
    "PolicyDocument": json.dumps(POLICY),
    "PolicyVersionId": "1",
    "RoleArn": "arn:aws:iam::000000000000:role/oracle",
    "AwsArn": "arn:aws:iam::000000000000:role/oracle",
    "SQL": "SELECT * FROM 'oracle/#'",
    "TagKey": "oracle",
    "TemplateBody": FOR_KNOWN,
}

# By the name of the member, where the shape says too little.
BY_MEMBER = {
    "ascendingOrder": True,
    "attributes": {"oracle": "1"},
    "newStatus": "INACTIVE",
    "pageSize": 10,
    "maxResults": 10,
    "tags": None,
}

CANDIDATES = (
    "oracle",
    "1",
    "0" * 64,
    "a1b2c3d4-0000-4000-8000-00000000000a",
    "1.0",
    "{}",
    "https://example.com/oracle",
    "2026-01-01",
    "us-east-1",
)


@functools.cache
def compiled(pattern):
    """A pattern of AWS, which is Java's: the whole text must fit. None if Python cannot read it."""
    java = {
        r"\p{Graph}": "!-~",
        r"\p{Upper}": "A-Z",
        r"\p{Digit}": "0-9",
        r"\p{Alnum}": "A-Za-z0-9",
        r"\p{Cntrl}": r"\x00-\x1f\x7f",
        r"\p{C}": r"\x00-\x1f\x7f",
        r"\p{L}": "A-Za-z\u00c0-\u00ff",
        r"\p{Z}": " ",
        r"\p{N}": "0-9",
    }
    for theirs, ours in java.items():
        pattern = pattern.replace(theirs, ours)
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        return None


def fits(shape, text):
    """Whether the pattern of a string shape allows the text; None if nobody can say."""
    pattern = shape.metadata.get("pattern")
    if pattern is None:
        return True
    expression = compiled(pattern)
    return None if expression is None else expression.fullmatch(text) is not None


def allowed(shape, text):
    """Whether the shape allows the text by all that it says."""
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 40)
    return least <= len(text) <= most and fits(shape, text) is True


def spelled(parsed):
    """The shortest plain text of a parsed expression."""
    text = []
    for kind, value in parsed:
        name = str(kind)
        if name == "LITERAL":
            text.append(chr(value))
        elif name == "MAX_REPEAT" or name == "MIN_REPEAT":
            least, _, inside = value
            text.append(spelled(inside) * least)
        elif name == "SUBPATTERN":
            text.append(spelled(value[-1]))
        elif name == "BRANCH":
            text.append(spelled(value[1][0]))
        elif name == "IN":
            text.append(first_of(value))
        elif name in ("ANY", "NOT_LITERAL"):
            text.append("a")
    return "".join(text)


def first_of(members):
    kind, value = members[0]
    if str(kind) == "LITERAL":
        return chr(value)
    if str(kind) == "RANGE":
        return chr(value[0])
    return {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " "}.get(str(value), "a")


def text_of(shape):
    """A text that the shape allows; None if none was found."""
    if "enum" in shape.metadata:
        return shape.metadata["enum"][0]
    least = shape.metadata.get("min", 0)
    candidates = list(CANDIDATES)
    if expression := compiled(shape.metadata.get("pattern", "")):
        candidates.append(spelled(expressions.parse(expression.pattern, re.ASCII)))
    for candidate in candidates:
        for text in (candidate, (candidate or "a") * max(least, 1), candidate.ljust(least, "a")):
            if text and allowed(shape, text[:least] if len(text) > least > 1 else text):
                return text[:least] if len(text) > least > 1 else text
    return None


class Samples:
    """Values for one pass of the run. `known` goes before everything: by member, then by shape."""

    def __init__(self, known=None, everything=False):
        self.known = known or {}
        self.everything = everything

    def value(self, name, shape, depth=0):
        """A value of the shape; None if there is none."""
        for table in (self.known, BY_MEMBER):
            if table.get(name) is not None:
                return table[name]
        for table in (self.known, BY_SHAPE):
            if table.get(shape.name) is not None:
                return table[shape.name]
        kind = shape.type_name
        if kind == "structure":
            return self.structure(shape, depth)
        if kind == "list":
            return self.repeated(name, shape, depth)
        if kind == "map":
            return self.map(shape, depth)
        if kind == "string":
            return text_of(shape)
        plain = {"boolean": False, "timestamp": 1767225600, "blob": b"oracle"}
        if kind in plain:
            return plain[kind]
        return max(1, shape.metadata.get("min", 1))

    def structure(self, shape, depth=0):
        """The members that must be there; all of them, at the top, if all are asked for."""
        values = {}
        for name, member in shape.members.items():
            if name not in shape.required_members and not (self.everything and depth == 0):
                continue
            value = self.value(name, member, depth + 1)
            if value is not None:
                values[name] = value
        return values

    def repeated(self, name, shape, depth, count=None):
        if count is None:
            count = max(1, shape.metadata.get("min", 1))
        return [self.value("", shape.member, depth + 1)] * count

    def map(self, shape, depth, count=None):
        """A map of so many entries, whose keys differ in their last characters."""
        if count is None:
            count = max(1, shape.metadata.get("min", 1))
        key, value = self.value("", shape.key, depth + 1), self.value("", shape.value, depth + 1)
        if count == 1:
            return {key: value}
        return {f"{key}{number}": value for number in range(count)}
