"""The page docs/configuration.md: every key of every file, from the schema that checks them."""

from collections.abc import Iterator

from ems.config.files import OPTIONAL_FILES, SCHEMAS, introduction
from ems.config.keys import Key, Kind, file_key

_HEAD = """\
# Configuration

<!-- Generated from ems/config/schema by `python -m docs.build`; edit there. -->

A site is a directory of TOML files. Every number has its unit in its key: `_kw`, `_kwh`, `_pct` (0 to 100), `_frac`
(0 to 1), `_degc`, `_s`, `_min`, `_h`; see [signs and units](signs-and-units.md). Unknown keys, wrong types, numbers
outside their range and contradictions between keys are refused at the start, each with file, line, key and what is
allowed: run `ems check DIRECTORY` before a restart.

- **Required** keys have no default: a limit that is not stated never means unlimited.
- **Optional files**: {optional}.
- **Paths** count from the directory and stay inside it, so that a copy elsewhere behaves the same.
- **Extending a site**: with `extends = "<shipped site>"` at the top of site.toml the directory states only what
  differs. Tables merge key by key; values and lists (`[[link]]`, `[[device]]`, fuel tables, seasons) are replaced as
  a whole. A data file that the directory lacks is taken from the extended site.
- **Names**: `<name>` in a key is a name that the site chooses, and `[]` an entry of a list.
- **Editors** with TOML support check and complete the files by the schemas in `config/schema`; the first line of each
  shipped file (`#:schema ...`) points there.
"""


def configuration_page() -> str:
    """Return the text of the page."""
    optional = ", ".join(name for name in SCHEMAS if name in OPTIONAL_FILES)
    parts = [_HEAD.format(optional=optional)]
    for file_name in SCHEMAS:
        parts.append(f"## {file_name}\n\n{introduction(file_name)}\n")
        parts += _sections(file_key(file_name), prefix="")
    return "\n".join(parts)


def _sections(table: Key, *, prefix: str) -> Iterator[str]:
    """Yield the rows of a table, then a section for each table below it."""
    if rows := [_row(f"{prefix}{name}", key) for name, key in table.children.items() if _has_row(key)]:
        yield "\n".join(("| key | value | default | meaning |", "| --- | --- | --- | --- |", *rows, ""))
    for name, key in table.children.items():
        yield from _section(key, path=f"{prefix}{name}")


def _section(key: Key, *, path: str) -> Iterator[str]:
    match key.kind:
        case Kind.TABLE:
            yield f"### `[{_header(path)}]`\n\n{key.meaning}\n"
            yield from _sections(key, prefix=f"{path}.")
        case Kind.NAMED if key.entry is not None and key.entry.kind is Kind.TABLE:
            yield f"### `[{_header(path)}.<name>]`\n\n{key.meaning} {key.entry.meaning}\n"
            yield from _sections(key.entry, prefix=f"{path}.<name>.")
        case Kind.LIST if key.entry is not None and key.entry.kind is Kind.TABLE:
            yield f"### `[[{_header(path)}]]`\n\n{key.entry.meaning}\n"
            yield from _sections(key.entry, prefix=f"{path}[].")
        case _:
            return


def _header(path: str) -> str:
    """Return a key path as a table's header writes it, without marks for the entries of lists."""
    return path.replace("[]", "")


def _has_row(key: Key) -> bool:
    """Return whether a key is listed in its table; tables and tables by name have sections instead."""
    return key.kind in {Kind.VALUE, Kind.LIST} or (key.entry is not None and key.entry.kind is not Kind.TABLE)


def _row(path: str, key: Key) -> str:
    default = "required" if key.default is None else f"`{key.default}`"
    return f"| `{path}` | {key.words} | {default} | {key.meaning} |"
