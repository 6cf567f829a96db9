"""Decides how much of what AWS's models let answers tell has been seen in a run."""

from answers import travelling


def members(shape, path="", around=()):
    """The path of every member of an output, also of those inside others."""
    if shape is None or shape.name in around:
        return
    inside = (*around, shape.name)
    if shape.type_name == "structure":
        for name, member in travelling(shape).items():
            here = f"{path}.{name}" if path else name
            yield here
            yield from members(member, here, inside)
    elif shape.type_name == "list":
        yield from members(shape.member, f"{path}[]", inside)
    elif shape.type_name == "map":
        yield from members(shape.value, f"{path}{{}}", inside)


def seen(shape, value, path=""):
    """The paths of the members that an answer has."""
    if shape is None or value is None:
        return
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in travelling(shape).items():
            if name in value:
                here = f"{path}.{name}" if path else name
                yield here
                yield from seen(member, value[name], here)
    elif shape.type_name == "list" and isinstance(value, list):
        for inner in value:
            yield from seen(shape.member, inner, f"{path}[]")
    elif shape.type_name == "map" and isinstance(value, dict):
        for inner in value.values():
            yield from seen(shape.value, inner, f"{path}{{}}")


def outermost(paths):
    """The paths without those inside of another."""
    kept = []
    # A member comes before what is inside of it.
    for path in paths:
        if not any(path.startswith((f"{outer}.", f"{outer}[", f"{outer}{{")) for outer in kept):
            kept.append(path)
    return kept
