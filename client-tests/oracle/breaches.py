"""Decides what can be wrong with a request, by AWS's own model of it: for each constraint of each member
one value that breaks this constraint, and, as far as that can be, no other.
"""

from dataclasses import dataclass

from samples import Samples, fits

# A text that is longer costs more than it tells.
LONGEST = 500_000
MOST_ENTRIES = 2_000
DEPTH = 3
REMOVED = object()
# Printable, since headers and paths carry no other.
ODD = ("!", "{", "%", " ", "#", '"', "^", "~", "/", "\u00e9", "_", "a")
HEADERS_CARRY = tuple(odd for odd in ODD if odd not in (" ", "\u00e9"))


@dataclass
class Breach:
    """A wrong value for the member at the end of `path`, and the words by which AWS complains."""

    path: tuple
    value: object
    words: tuple
    alone: bool = True

    @property
    def name(self):
        return next(part for part in reversed(self.path) if isinstance(part, str))

    def into(self, request):
        """Puts the value into the request, through what has to be around it."""
        place = request
        for part in self.path[:-1]:
            place = place[part]
        if self.value is REMOVED:
            place.pop(self.path[-1], None)
        else:
            place[self.path[-1]] = self.value
        return request

    def __str__(self):
        shown = "nothing" if self.value is REMOVED else repr(self.value)
        shown = shown if len(shown) < 60 else shown[:40] + "…"
        return f"{'.'.join(map(str, self.path))} = {shown}"


def of_operation(shape):
    """Every breach of an operation's input, and the request around each."""
    samples = Samples()
    yield from of_structure(samples, shape, (), lambda: samples.structure(shape))


def of_structure(samples, shape, path, around):
    for name, member in shape.members.items():
        here = (*path, name)
        if name in shape.required_members and not member.metadata.get("idempotencyToken"):
            yield Breach(here, REMOVED, ("Member must not be null",)), around
        yield from of_member(samples, name, member, here, around)


def of_member(samples, name, shape, path, around):
    yield from ((breach, around) for breach in of_shape(samples, shape, path))
    depth = sum(isinstance(part, str) for part in path)
    if depth >= DEPTH:
        return
    sample = samples.value(name, shape, depth)

    def holding():
        request = around()
        Breach(path, copied(sample), ()).into(request)
        return request

    if shape.type_name == "structure" and isinstance(sample, dict):
        yield from of_structure(samples, shape, path, holding)
    elif shape.type_name == "list" and sample:
        inside = shape.member
        if inside.type_name == "structure":
            yield from of_structure(samples, inside, (*path, 0), holding)
        else:
            yield from ((breach, holding) for breach in of_shape(samples, inside, (*path, 0)))
    elif shape.type_name == "map" and isinstance(sample, dict):
        yield from ((breach, around) for breach in of_entries(samples, shape, path))


def of_entries(samples, shape, path):
    """A map is reported by its own name, with what its keys, or its values, must be."""
    key, value = samples.value("", shape.key), samples.value("", shape.value)
    for breach in of_shape(samples, shape.key, (*path, "key")):
        if isinstance(breach.value, str):
            yield Breach(path, {breach.value: value}, ("Map keys must satisfy", *breach.words))
    if shape.value.type_name == "string":
        for breach in of_shape(samples, shape.value, (*path, "value")):
            yield Breach(path, {key: breach.value}, ("Map value must satisfy", *breach.words))


def of_shape(samples, shape, path):
    """What one value can get wrong by itself."""
    kind = shape.type_name
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if kind == "string":
        if "enum" in shape.metadata:
            words = ("Member must satisfy enum value set: [", *shape.metadata["enum"])
            yield Breach(path, "no-such-word", words)
            return
        yield from of_text(samples, shape, path)
    elif kind in ("integer", "long"):
        if least is not None:
            yield Breach(path, least - 1, (f"value greater than or equal to {least}",))
        if most is not None:
            yield Breach(path, most + 1, (f"value less than or equal to {most}",))
    elif kind in ("list", "map"):
        sized = samples.map if kind == "map" else lambda *given: samples.repeated("", *given)
        if least:
            words = (f"length greater than or equal to {least}",)
            yield Breach(path, sized(shape, 1, least - 1), words)
        if most is not None and most < MOST_ENTRIES:
            yield Breach(path, sized(shape, 1, most + 1), (f"length less than or equal to {most}",))


def of_text(samples, shape, path):
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    sample = samples.value(path[-1] if isinstance(path[-1], str) else "", shape)
    if not isinstance(sample, str):
        return
    if least:
        text = sample[: least - 1]
        alone = fits(shape, text) is True
        yield Breach(path, text, (f"length greater than or equal to {least}",), alone)
    if most is not None and most < LONGEST:
        text = longer(shape, sample, most + 1)
        alone = fits(shape, text) is True
        yield Breach(path, text, (f"length less than or equal to {most}",), alone)
    if "pattern" in shape.metadata:
        header = shape.serialization.get("location") == "header"
        for odd in HEADERS_CARRY if header else ODD:
            size = max(1, least or 0)
            text = odd * size if size == 1 else sample[: size - 1] + odd
            if fits(shape, text) is False:
                words = ("must satisfy regular expression pattern: " + shape.metadata["pattern"],)
                yield Breach(path, text, words)
                break


def longer(shape, sample, length):
    """A text of this length that the pattern allows, if one is found."""
    for filler in (sample[-1:], sample[:1], "a", "1", sample):
        text = (sample + filler * length)[:length] if filler else ""
        if len(text) == length and fits(shape, text):
            return text
    return "a" * length


def copied(value):
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return value
