"""A small judge of JSON documents: the keywords of JSON Schema that our schemas use, and no others."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

# JSON of any shape
Json = Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
_KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "default"),
    *("type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const", "format"),
}


def faults(schema: Json, value: Json, *, root: Json = None, path: str = "") -> Iterator[str]:
    """Yield every place where a value is not as its schema says."""
    root = schema if root is None else root
    if unknown := set(schema) - _KNOWN:
        raise ValueError(f"keywords that this judge does not know: {unknown}")
    if "$ref" in schema:
        yield from faults(root["$defs"][schema["$ref"].rpartition("/")[2]], value, root=root, path=path)
    if "const" in schema and value != schema["const"]:
        yield f"{path} is not {schema['const']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} is none of {schema['enum']}"
    if "anyOf" in schema and all(list(faults(part, value, root=root, path=path)) for part in schema["anyOf"]):
        yield f"{path} fits nothing that it may be"
    if "type" in schema:
        yield from _typed(schema, value, root=root, path=path)


def _typed(schema: Json, value: Any, *, root: Json, path: str) -> Iterator[str]:
    kind = schema["type"]
    if not _is(kind, value):
        yield f"{path} is no {kind}"
    elif kind == "object":
        yield from _object(schema, value, root=root, path=path)
    elif kind == "array":
        for number, item in enumerate(value):
            yield from faults(schema["items"], item, root=root, path=f"{path}/{number}")
    elif schema.get("format") == "date-time" and datetime.fromisoformat(value).tzinfo is None:
        yield f"{path} has no offset from UTC"


def _is(kind: str, value: Json) -> bool:
    is_flag = isinstance(value, bool) and kind in {"integer", "number"}
    return isinstance(value, _TYPES[kind]) and not is_flag


def _object(schema: Json, value: Json, *, root: Json, path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    yield from (f"{path}/{name} is missing" for name in schema.get("required", ()) if name not in value)
    others = schema.get("additionalProperties", True)
    for name, item in value.items():
        if name in properties:
            yield from faults(properties[name], item, root=root, path=f"{path}/{name}")
        elif others is False:
            yield f"{path}/{name} is unknown"
        elif others is not True:
            yield from faults(others, item, root=root, path=f"{path}/{name}")
