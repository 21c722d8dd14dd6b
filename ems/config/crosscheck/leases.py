"""Places of the lease: that they can be reached, are apart, and that the times of the lease fit the links."""

import difflib
from collections.abc import Iterator
from typing import Final

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.naming import expand_devices, expand_links
from ems.config.notation import KeyPath

# a claim is decided on in a cycle, sent within a second, and answered within the link's time-out
_CYCLE_S: Final = 1.0
_SENT_S: Final = 1.0
# between the end of the settling and the first renewal
_RENEWED_S: Final = 2.0


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield what is wrong with the lease of a site that has one."""
    tables = files.devices.lease
    if not tables:
        return
    links = {link.id: link for _, link in expand_links(files.devices, resolve=files.resolve)}
    units = {(device.link, device.unit): device.id for _, device in expand_devices(files.devices)}
    ids: set[str] = set()
    places: set[tuple[str, int]] = set()
    for index, table in enumerate(tables):
        path: KeyPath = ("lease", index)
        if table.id in ids:
            yield Finding(file="devices.toml", path=(*path, "id"), message=f"two leases are called '{table.id}'")
        if table.link not in links:
            yield Finding(
                file="devices.toml",
                path=(*path, "link"),
                message=f"no link is called '{table.link}'",
                allowed=", ".join(sorted(links)),
                nearest=next(iter(difflib.get_close_matches(table.link, list(links), n=1)), None),
            )
        place = (table.link, table.unit)
        if place in places:
            message = f"two leases lie in unit {table.unit} of link '{table.link}': they would be lost together"
            yield Finding(file="devices.toml", path=(*path, "unit"), message=message, allowed="one place per unit")
        if place in units:
            message = f"unit {table.unit} of link '{table.link}' is the device '{units[place]}'"
            yield Finding(file="devices.toml", path=(*path, "unit"), message=message, allowed="a unit of its own")
        ids.add(table.id)
        places.add(place)
    yield from _times(files, max((links[t.link].timeout_s for t in tables if t.link in links), default=0.0))


def _times(files: ConfigFiles, timeout_s: float) -> Iterator[Finding]:
    table = files.control.ownership
    least_s = _CYCLE_S + 2.0 * (_SENT_S + timeout_s)
    if table.settle_s < least_s:
        yield Finding(
            file="control.toml",
            path=("ownership", "settle_s"),
            message=f"{table.settle_s:g} s is too short: another claim could still be under way",
            allowed=f"at least {least_s:g} s with a time-out of {timeout_s:g} s",
        )
    if table.term_s < table.settle_s + _RENEWED_S:
        yield Finding(
            file="control.toml",
            path=("ownership", "term_s"),
            message=f"{table.term_s:g} s is too short: a claim would expire while it settles",
            allowed=f"at least settle_s + {_RENEWED_S:g} s = {table.settle_s + _RENEWED_S:g} s",
        )
