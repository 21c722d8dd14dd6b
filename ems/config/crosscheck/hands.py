"""Planned work that takes devices into hands."""

from collections.abc import Iterator
from typing import Final

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.naming import assets_in_hands
from ems.config.schema.control import HandWindowTable

_VALUES: Final = ("power_kw", "limit_kw", "run", "supply_degc")


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield windows of assets that there are not, that end before they begin, or with values that do not belong."""
    assets = assets_in_hands(files.assets, has_grid=files.limits.grid is not None)
    for index, window in enumerate(files.control.hand.window):
        path = ("hand", "window", index)
        if window.asset not in assets:
            yield Finding(
                file="control.toml",
                path=(*path, "asset"),
                message=f"there is nothing called '{window.asset}' that is commanded",
                allowed=", ".join(assets),
            )
        else:
            yield from _values(window, assets[window.asset], index)
        if window.end <= window.start:
            yield Finding(
                file="control.toml",
                path=(*path, "end"),
                message="the work ends before it starts",
                allowed=f"after {window.start.isoformat()}",
            )


def _values(window: HandWindowTable, takes: tuple[str, ...], index: int) -> Iterator[Finding]:
    for name in _VALUES:
        if getattr(window, name) is None or (window.mode == "manual" and name in takes):
            continue
        yield Finding(
            file="control.toml",
            path=("hand", "window", index, name),
            message=f"{name} means nothing for '{window.asset}' in {window.mode}",
            allowed='no such key, or mode = "manual" with ' + (" and ".join(takes) or "an asset of its own"),
        )
