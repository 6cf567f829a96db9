"""Decides whether an answer is one that AWS's model of the operation allows: status, headers, members
of the body and their types, for successes and for errors.
"""

import json

PLACES = ("header", "headers", "statusCode")
# Every error may carry these besides what its own shape has.
OF_ERRORS = {"message", "__type"}


def complaints(operation, answer):
    """What is wrong with an answer, one text each."""
    if "x-amzn-requestid" not in answer.headers:
        yield "no x-amzn-requestid"
    try:
        body = json.loads(answer.body) if answer.body else None
    except ValueError:
        yield f"the body is not JSON: {answer.body[:80]!r}"
        return
    if answer.status >= 300:
        yield from of_error(operation, answer, body)
    else:
        yield from of_success(operation, answer, body)


def of_error(operation, answer, body):
    name = answer.headers.get("x-amzn-errortype")
    if not name:
        yield "no x-amzn-errortype"
    if not isinstance(body, dict) or not isinstance(body.get("message"), str):
        yield f"an error without a message: {body}"
        return
    shape = next((shape for shape in operation.error_shapes if shape.name == name), None)
    if shape is None:
        return
    members = {key: member for key, member in shape.members.items() if key not in OF_ERRORS}
    yield from of_members(name, members, {k: v for k, v in body.items() if k not in OF_ERRORS})
    status = shape.metadata["error"]["httpStatusCode"]
    if answer.status != status:
        yield f"{name} has HTTP {answer.status}, not {status}"


def of_success(operation, answer, body):
    status = operation.http.get("responseCode", 200)
    if answer.status != status:
        yield f"HTTP {answer.status}, not {status}"
    shape = operation.output_shape
    members = {} if shape is None else travelling(shape)
    payload = shape.serialization.get("payload") if shape else None
    if payload:
        yield from of_value(payload, members[payload], body)
    elif not members and body not in (None, {}):
        yield f"a body where there are no members: {body}"
    elif body is None and members:
        yield "no body"
    elif body is not None:
        yield from of_members("", members, body)


def travelling(shape):
    """The members of a structure that travel in a body, by their names there."""
    return {
        member.serialization.get("name", name): member
        for name, member in shape.members.items()
        if member.serialization.get("location") not in PLACES
    }


def of_members(path, members, values):
    if not isinstance(values, dict):
        yield f"{path or 'the body'} is no object"
        return
    for name, value in values.items():
        inside = f"{path}.{name}" if path else name
        if name in members:
            yield from of_value(inside, members[name], value)
        else:
            yield f"{inside} is no member"


def of_value(path, shape, value):
    """Null never stands in an answer of AWS: what is not there is left out."""
    kind = shape.type_name
    if kind == "structure":
        yield from of_members(path, travelling(shape), value)
        if isinstance(value, dict):
            wire = [shape.members[name].serialization.get("name", name) for name in shape.required_members]
            yield from (f"{path} lacks {name}" for name in wire if name not in value)
        return
    types = {
        "list": list,
        "map": dict,
        "string": str,
        "blob": str,
        "boolean": bool,
        "integer": int,
        "long": int,
        "float": (int, float),
        "double": (int, float),
        "timestamp": (int, float),
    }
    wanted = types.get(kind)
    if not isinstance(value, wanted) or (kind != "boolean" and isinstance(value, bool)):
        yield f"{path} should be a {kind}: {value!r}"
    elif kind == "list":
        for index, inner in enumerate(value):
            yield from of_value(f"{path}.{index}", shape.member, inner)
    elif kind == "map":
        for key, inner in value.items():
            yield from of_value(f"{path}.{key}", shape.value, inner)
    elif "enum" in shape.metadata and value not in shape.metadata["enum"]:
        yield f"{path} is no word of {shape.name}: {value!r}"
