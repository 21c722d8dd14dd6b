"""What every key of the configuration may hold, in words; read from the schema, for messages and the reference."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import Any

from ems.config.files import SCHEMAS
from ems.config.notation import KeyPath, plain, written
from ems.config.schema.fields import WORDS, Table
from ems.config.units import unit_of

# a node of a JSON Schema: what its values are depends on the keyword
Node = Mapping[str, Any]


class Kind(Enum):
    """What stands at a key."""

    VALUE = auto()
    TABLE = auto()
    # a table whose keys are names that the site chooses, all with the same kind of entry
    NAMED = auto()
    LIST = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key: a table has `children`; a list and a table of names have `entry`."""

    kind: Kind
    words: str
    meaning: str
    required: bool
    default: str | None
    children: Mapping[str, "Key"] = field(default_factory=dict)
    entry: "Key | None" = None

    def at(self, path: KeyPath) -> "Key | None":
        """Return the key at a path below this one, None where the schema knows none."""
        key: Key | None = self
        for part in path:
            if key is None:
                return None
            key = key.children.get(str(part)) if key.kind is Kind.TABLE else key.entry
        return key

    def allowed(self) -> str:
        """Return what the key accepts and what it means."""
        return f"{self.words}; {self.meaning}" if self.meaning else self.words

    def paths(self, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Yield the path of every key below this one; `<name>` stands for the names that a site chooses."""
        for name, child in self.children.items():
            yield (*above, name)
            yield from child.paths((*above, name))
        if self.entry is not None:
            yield from self.entry.paths((*above, "<name>") if self.kind is Kind.NAMED else above)


def file_key(file_name: str) -> Key:
    """Return the whole file of a configuration directory as a table."""
    return schema_key(SCHEMAS[file_name])


@cache
def schema_key(table: type[Table]) -> Key:
    """Return the whole file that a schema describes as a table."""
    schema = table.model_json_schema()
    return _key(schema, name="", definitions=schema.get("$defs", {}), required=True)


def resolved(node: Node, definitions: Node) -> Node:
    """Return a node without reference and without the choice of being absent."""
    for branch in node.get("anyOf", ()):
        if branch.get("type") != "null":
            node = {**branch, **{keyword: value for keyword, value in node.items() if keyword != "anyOf"}}
    if "$ref" in node:
        definition = definitions[node["$ref"].rsplit("/", 1)[-1]]
        # of a table both its own description and that of its key are worth reading
        descriptions = (description for part in (definition, node) if (description := part.get("description")))
        own = {keyword: value for keyword, value in node.items() if keyword != "$ref"}
        node = {**definition, **own, "description": " ".join(descriptions)}
    return node


def _key(node: Node, *, name: str, definitions: Node, required: bool) -> Key:
    node = resolved(node, definitions)
    children = {
        child: _key(below, name=child, definitions=definitions, required=child in node.get("required", ()))
        for child, below in node.get("properties", {}).items()
    }
    entry_node = _entry_node(node)
    entry = None if entry_node is None else _key(entry_node, name=name, definitions=definitions, required=True)
    kind = _kind(node)
    return Key(
        kind=kind,
        words=_words(node, name=name, entry=entry),
        meaning=" ".join(node.get("description", "").split()),
        required=required,
        default=None if required else _default(node, kind),
        children=children,
        entry=entry,
    )


def _kind(node: Node) -> Kind:
    match node.get("type"):
        case "object" if node.get("additionalProperties") is True:
            # a table whose form others check
            return Kind.VALUE
        case "object":
            return Kind.TABLE if "properties" in node else Kind.NAMED
        case "array":
            return Kind.LIST
        case _:
            return Kind.VALUE


def _entry_node(node: Node) -> Node | None:
    """Return the node of a list's items or of a named table's entries."""
    if "items" in node:
        return dict(node["items"])
    if "properties" in node:
        return None
    by_pattern = node.get("patternProperties", {}).values()
    entries = next(iter(by_pattern), node.get("additionalProperties"))
    return entries if isinstance(entries, dict) else None


def _default(node: Node, kind: Kind) -> str:
    """Return the default as the file would write it."""
    if node.get("default") is not None:
        return written(node["default"])
    if "default" in node:
        return "none"
    return "as below" if kind is Kind.TABLE else "empty"


def _words(node: Node, *, name: str, entry: Key | None) -> str:
    if WORDS in node:
        return str(node[WORDS])
    if "enum" in node or "const" in node:
        return " or ".join(written(choice) for choice in node.get("enum") or [node["const"]])
    unit = unit_of(name)
    match node.get("type"):
        case "number":
            return " ".join(filter(None, ("a number", _range(node), unit)))
        case "integer":
            return " ".join(filter(None, ("a whole number", _range(node), unit)))
        case "boolean":
            return "true or false"
        case "array" if entry is not None:
            n_least = node.get("minItems", 0)
            return f"a list{f' of at least {n_least}' if n_least else ''}, each entry {entry.words}"
        case "object":
            return "a table" if entry is None else f"a table of names, each with {entry.words}"
        case "string" if node.get("format") == "date":
            return "a date such as 2026-05-01, without quotes"
        case _:
            return "a text"


def _range(node: Node) -> str:
    above, lowest = node.get("exclusiveMinimum"), node.get("minimum")
    below, highest = node.get("exclusiveMaximum"), node.get("maximum")
    start = f"above {plain(above)}" if above is not None else f"from {plain(lowest)}" if lowest is not None else ""
    end = f"below {plain(below)}" if below is not None else f"to {plain(highest)}" if highest is not None else ""
    joint = " and up " if above is not None and highest is not None else " "
    return f"{start}{joint}{end}".strip()
