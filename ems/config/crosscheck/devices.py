"""Links and devices: names, addresses, assets served, watchdogs."""

from collections.abc import Iterator

from ems.config.crosscheck.finding import SURVIVED_PERIODS, Finding
from ems.config.files import ConfigFiles
from ems.config.naming import asset_kinds, expand_devices, expand_links
from ems.config.schema.devices import DevicesFile
from ems.config.source import KeyPath

# kinds of asset that are commanded and so need a fall-back of their own (guard rule G17)
COMMANDED = frozenset({"block", "genset", "pv"})


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions among links and devices."""
    yield from _links(files.devices)
    yield from _devices(files)


def _links(devices: DevicesFile) -> Iterator[Finding]:
    names: dict[str, int] = {}
    addresses: dict[tuple[str, int], str] = {}
    for index, link in expand_links(devices):
        path: KeyPath = ("link", index)
        if link.id in names:
            yield Finding(file="devices.toml", path=(*path, "id"), message=f"two links are called '{link.id}'")
        names[link.id] = index
        if link.port > 65535:
            yield Finding(
                file="devices.toml",
                path=(*path, "port"),
                message=f"link '{link.id}' would have port {link.port}",
                allowed="at most 65535 for the last of `count` links",
            )
        other = addresses.setdefault((link.host, link.port), link.id)
        if other != link.id:
            yield Finding(
                file="devices.toml",
                path=(*path, "port"),
                message=f"links '{other}' and '{link.id}' share the address {link.host}:{link.port}",
                allowed="one link per address; put all units behind it",
            )
        if link.reconnect_min_s > link.reconnect_max_s:
            yield Finding(
                file="devices.toml",
                path=(*path, "reconnect_min_s"),
                message="above reconnect_max_s",
                allowed=f"at most {link.reconnect_max_s:g}",
            )


def _devices(files: ConfigFiles) -> Iterator[Finding]:
    links = {link.id for _, link in expand_links(files.devices)}
    kinds = asset_kinds(files.assets, has_grid=files.limits.grid is not None)
    served: dict[str, str] = {}
    seen: set[str] = set()
    addresses: dict[tuple[str, int], str] = {}
    write_s = files.control.control.heartbeat_s
    for index, device in expand_devices(files.devices):
        path: KeyPath = ("device", index)
        if device.id in seen:
            yield Finding(file="devices.toml", path=(*path, "id"), message=f"two devices are called '{device.id}'")
        seen.add(device.id)
        if device.link not in links:
            yield Finding(
                file="devices.toml",
                path=(*path, "link"),
                message=f"device '{device.id}' is behind link '{device.link}', which does not exist",
                allowed=_few(sorted(links)),
            )
        other = addresses.setdefault((device.link, device.unit), device.id)
        if other != device.id:
            yield Finding(
                file="devices.toml",
                path=(*path, "unit"),
                message=f"devices '{other}' and '{device.id}' share unit {device.unit} of link '{device.link}'",
                allowed="one device per link and unit",
            )
        kind = kinds.get(device.asset)
        if kind is None:
            yield Finding(
                file="devices.toml",
                path=(*path, "asset"),
                message=f"device '{device.id}' belongs to '{device.asset}', which is no asset of the site",
                allowed=_few(sorted(kinds)),
            )
            continue
        if device.asset in served:
            yield Finding(
                file="devices.toml",
                path=(*path, "asset"),
                message=f"devices '{served[device.asset]}' and '{device.id}' both serve asset '{device.asset}'",
            )
        served[device.asset] = device.id
        if kind in COMMANDED and device.watchdog_s is None:
            yield Finding(
                file="devices.toml",
                path=(*path, "watchdog_s"),
                message=f"device '{device.id}' is commanded, so its fall-back time must be stated",
                allowed=f"at least {SURVIVED_PERIODS * write_s:g}",
            )
        elif device.watchdog_s is not None and device.watchdog_s < SURVIVED_PERIODS * write_s:
            yield Finding(
                file="devices.toml",
                path=(*path, "watchdog_s"),
                message=f"a watchdog of {device.watchdog_s:g} s trips before two writes may be lost",
                allowed=f"at least {SURVIVED_PERIODS * write_s:g} (3 x control.toml control.heartbeat_s)",
            )
    unserved = sorted(kinds.keys() - served.keys())
    if unserved:
        yield Finding(
            file="devices.toml",
            path=("device",),
            message=f"no device for {len(unserved)} assets: {_few(unserved)}",
            allowed="one device per block, container, genset, PV block and meter",
        )


def _few(names: list[str], limit: int = 12) -> str:
    return ", ".join(names) if len(names) <= limit else f"{', '.join(names[:limit])}, ... ({len(names)} in all)"
