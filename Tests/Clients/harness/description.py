"""What the management API says of itself, walked by tests: its operations, and bodies that fit their schemas."""

import copy
import itertools
from urllib.parse import quote


def operations(description):
    """Method, path and operation of everything that is described."""
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def body_schema(operation, description):
    if "requestBody" not in operation:
        return None
    return resolved(operation["requestBody"]["content"]["application/json"]["schema"], description)


def resolved(schema, description):
    while "$ref" in schema:
        schema = description["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def sample(schema, description, unique):
    """A value that fits a schema, with all members it may have; `unique` tells its texts from those of other samples."""
    schema = resolved(schema, description)
    if "allOf" in schema:
        parts = [sample(part, description, unique) for part in schema["allOf"]]
        return {name: value for part in parts for name, value in part.items()}
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], description, unique)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {})
            return {name: sample(member, description, unique) for name, member in members.items()}
        case "array":
            return [sample(schema["items"], description, unique)]
        case "string":
            return f"{unique}{'x' * schema.get('minLength', 0)}"[:schema.get("maxLength", 64)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return None


def places(value, at=()):
    """The paths of all members and elements in a value, the outermost first."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*at, name)
        yield from places(member, (*at, name))


def with_value(body, place, value):
    """A body with another value at a place."""
    body = copy.deepcopy(body)
    *parents, last = place
    part = body
    for name in parents:
        part = part[name]
    part[last] = value
    return body


def address(path, ids, **in_place):
    """A path with ids for its parameters: `ids` by name, or by the segment before it and its name."""
    segments = path.split("/")
    parts = []
    for before, segment in itertools.zip_longest([None, *segments[:-1]], segments):
        name = segment[1:-1] if segment.startswith("{") else None
        if name is None:
            parts.append(segment)
        elif name in in_place:
            parts.append(quote(in_place[name], safe=""))
        else:
            parts.append(ids.get(f"{before}/{name}") or ids[name])
    return "/".join(parts)
