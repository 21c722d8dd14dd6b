"""Finds keys of points that would do nothing: scales and ranges of what is no number."""

from collections.abc import Iterator, Mapping
from typing import Final

from drivers.device.maptables import MapTable
from drivers.device.needs import Finding

_OF_NUMBERS: Final = ("scale", "offset", "sign", "valid")


def unscaled_findings(table: MapTable, key: str, what: str | None) -> Iterator[Finding]:
    """Yield the keys of numbers that a table sets although its value is none; `what` it is, None for a number."""
    if what is not None:
        for name in _OF_NUMBERS:
            if name in table.model_fields_set:
                yield f"{key}.{name}", f"{what} has no {name}", f"no {name}"


def step_findings(max_step_per_s: float | None, key: str, *, is_measured: bool) -> Iterator[Finding]:
    """Yield a fastest change of what is no measured number."""
    if max_step_per_s is not None and not is_measured:
        yield f"{key}.max_step_per_s", "only a measured number has a fastest change", None


def nameless_findings(names: Mapping[str, str] | None, key: str) -> Iterator[Finding]:
    """Yield a table of codes or bits that names none."""
    if names is not None and not names:
        yield key, "it names nothing", "a name for each code, or no such key"
