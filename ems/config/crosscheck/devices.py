"""Links and devices: names, addresses, assets served, watchdogs."""

import difflib
from collections.abc import Iterable, Iterator, Sequence

from ems.config.crosscheck.brokers import MQTT, broker_contradictions
from ems.config.crosscheck.finding import SURVIVED_PERIODS, Finding
from ems.config.crosscheck.framing import framing_contradictions
from ems.config.files import ConfigFiles
from ems.config.naming import (
    COOLING_PLANT,
    asset_kinds,
    commanded_cooling,
    expand_brokers,
    expand_devices,
    expand_links,
    has_plant_controller,
)
from ems.config.notation import KeyPath
from ems.config.schema.control import ControlTable
from ems.config.schema.devices import BrokerTable, DevicesFile, DeviceTable, LinkTable
from ems.model.device import DeviceSpec, LinkSpec, TcpEndpoint

# kinds of asset that are commanded and so need a fall-back of their own (guard rule G17)
COMMANDED = frozenset({"block", "genset", "pv"})
MAX_PORT = 65535
MAX_UNIT = 255
# drivers of devices that describe themselves
SUNSPEC = "sunspec."


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions among links and devices; of a table with `count` only the first for each key."""
    if incomplete := list(framing_contradictions(files)):
        # nothing can be said of links whose address is not known
        yield from incomplete
        return
    links = list(expand_links(files.devices))
    brokers = list(expand_brokers(files.devices))
    devices = list(expand_devices(files.devices))
    kinds = asset_kinds(files.assets, has_grid=files.limits.grid is not None)
    yield from _unnumbered(files.devices)
    yield from _first_of_each_key(_links(links))
    yield from _first_of_each_key(broker_contradictions(files, links, brokers, devices))
    behind_links = [(index, device) for index, device in devices if not device.driver.startswith(MQTT)]
    yield from _first_of_each_key(_names(devices))
    yield from _first_of_each_key(_addresses(behind_links, link_ids={link.id for _, link in links}))
    yield from _first_of_each_key(_broadcasts(devices, {link.id for _, link in links if link.endpoint.framing.is_rtu}))
    yield from _first_of_each_key(_maps(devices, files.devices.device))
    cooling = files.assets.cooling
    may_lack = frozenset[str]() if has_plant_controller(cooling) else frozenset({COOLING_PLANT})
    yield from _first_of_each_key(_assets(devices, kinds, may_lack=may_lack))
    commanded = {name for name, kind in kinds.items() if kind in COMMANDED | commanded_cooling(cooling)}
    yield from _first_of_each_key(_watchdogs(devices, commanded, write_s=_write_s(files.control.control)))


def _unnumbered(devices: DevicesFile) -> Iterator[Finding]:
    tables: list[tuple[KeyPath, LinkTable | BrokerTable | DeviceTable]] = [
        *((("link", index), link) for index, link in enumerate(devices.link)),
        *((("broker", index), broker) for index, broker in enumerate(devices.broker)),
        *((("device", index), device) for index, device in enumerate(devices.device)),
    ]
    for path, table in tables:
        if table.count > 1 and "{" not in table.id:
            yield Finding(
                file="devices.toml",
                path=(*path, "id"),
                message=f"{table.count} of one name",
                allowed=f"a name with the number in it, such as {table.id}{{n:02}}",
            )


def _links(links: Iterable[tuple[int, LinkSpec]]) -> Iterator[Finding]:
    tables: dict[str, int] = {}
    addresses: dict[str, str] = {}
    for index, link in links:
        path: KeyPath = ("link", index)
        endpoint = link.endpoint
        if tables.setdefault(link.id, index) != index:
            yield Finding(file="devices.toml", path=(*path, "id"), message=f"two links are called '{link.id}'")
        if isinstance(endpoint, TcpEndpoint) and endpoint.port > MAX_PORT:
            yield Finding(
                file="devices.toml",
                path=(*path, "port"),
                message=f"link '{link.id}' would have port {endpoint.port}",
                allowed=f"a first port with which the last of `count` links is at most {MAX_PORT}",
            )
        address = str(endpoint).lower() if isinstance(endpoint, TcpEndpoint) else endpoint.device
        other = addresses.setdefault(address, link.id)
        if other != link.id:
            yield Finding(
                file="devices.toml",
                path=(*path, "port" if isinstance(endpoint, TcpEndpoint) else "device"),
                message=f"links '{other}' and '{link.id}' share the address {endpoint}",
                allowed="one link per address, with all units behind it",
            )
        if link.reconnect_min_s > link.reconnect_max_s:
            yield Finding(
                file="devices.toml",
                path=(*path, "reconnect_min_s"),
                message=f"{link.reconnect_min_s:g} s is above reconnect_max_s",
                allowed=f"at most {link.reconnect_max_s:g}",
            )


def _names(devices: Iterable[tuple[int, DeviceSpec]]) -> Iterator[Finding]:
    tables: dict[str, int] = {}
    for index, device in devices:
        if tables.setdefault(device.id, index) != index:
            path: KeyPath = ("device", index, "id")
            yield Finding(file="devices.toml", path=path, message=f"two devices are called '{device.id}'")


def _addresses(devices: Iterable[tuple[int, DeviceSpec]], *, link_ids: set[str]) -> Iterator[Finding]:
    addresses: dict[tuple[str, int, str], str] = {}
    for index, device in devices:
        path: KeyPath = ("device", index)
        if device.link not in link_ids:
            yield Finding(
                file="devices.toml",
                path=(*path, "link"),
                message=f"device '{device.id}' is behind link '{device.link}', which does not exist",
                allowed=_few(sorted(link_ids)),
                nearest=_nearest(device.link, link_ids),
            )
        if device.unit > MAX_UNIT:
            yield Finding(
                file="devices.toml",
                path=(*path, "unit"),
                message=f"device '{device.id}' would have unit {device.unit}",
                allowed=f"a first unit with which the last of `per_link` devices is at most {MAX_UNIT}",
            )
        other = addresses.setdefault((device.link, device.unit, _part(device)), device.id)
        if other != device.id:
            yield Finding(
                file="devices.toml",
                path=(*path, "unit"),
                message=f"devices '{other}' and '{device.id}' share unit {device.unit} of link '{device.link}'",
                allowed="one device per link and unit",
            )


def _part(device: DeviceSpec) -> str:
    """Return what of a unit the device is: the models of a SunSpec unit may serve as several devices."""
    return f"{device.driver} {device.sunspec.shows}" if device.driver.startswith(SUNSPEC) else ""


def _maps(devices: Iterable[tuple[int, DeviceSpec]], tables: Sequence[DeviceTable]) -> Iterator[Finding]:
    """Yield devices that lack a register map, or have one although they describe themselves."""
    for index, device in devices:
        describes_itself = device.driver.startswith(SUNSPEC)
        if describes_itself and device.map is not None:
            yield Finding(
                file="devices.toml",
                path=("device", index, "map"),
                message=f"driver {device.driver} finds the registers by itself",
                allowed="no map; [device.sunspec] for what the device's models leave open",
            )
        if device.registers is not None and (device.map is not None or describes_itself):
            yield Finding(
                file="devices.toml",
                path=("device", index, "registers"),
                message=f"driver {device.driver} finds the registers by itself"
                if describes_itself
                else f"there is the map '{device.map}', too",
                allowed="either a map or [device.registers]",
            )
        if not describes_itself and tables[index].sunspec is not None:
            yield Finding(
                file="devices.toml",
                path=("device", index, "sunspec"),
                message=f"driver {device.driver} works by a register map",
                allowed="[device.sunspec] for the drivers sunspec.pv, sunspec.storage and sunspec.meter",
            )


def _broadcasts(devices: Iterable[tuple[int, DeviceSpec]], lines: set[str]) -> Iterator[Finding]:
    for index, device in devices:
        if device.unit == 0 and device.link in lines:
            yield Finding(
                file="devices.toml",
                path=("device", index, "unit"),
                message=f"unit 0 of serial line '{device.link}' is everybody, and nobody answers for it",
                allowed="1 to 247",
            )


def _assets(
    devices: Iterable[tuple[int, DeviceSpec]], kinds: dict[str, str], *, may_lack: frozenset[str]
) -> Iterator[Finding]:
    served: dict[str, str] = {}
    for index, device in devices:
        path: KeyPath = ("device", index, "asset")
        other = served.setdefault(device.asset, device.id)
        if device.asset not in kinds:
            yield Finding(
                file="devices.toml",
                path=path,
                message=f"device '{device.id}' belongs to '{device.asset}', which is no asset of the site",
                allowed=_few(sorted(kinds)),
                nearest=_nearest(device.asset, kinds),
            )
        elif other != device.id:
            yield Finding(
                file="devices.toml",
                path=path,
                message=f"devices '{other}' and '{device.id}' both serve asset '{device.asset}'",
                allowed="one device per asset",
            )
    if unserved := sorted(kinds.keys() - served.keys() - may_lack):
        yield Finding(
            file="devices.toml",
            path=("device",),
            message=f"no device for {len(unserved)} assets: {_few(unserved)}",
            allowed="one device per block, container, genset, PV block, cooling unit and meter",
        )


def _watchdogs(devices: Iterable[tuple[int, DeviceSpec]], commanded: set[str], *, write_s: float) -> Iterator[Finding]:
    shortest_s = SURVIVED_PERIODS * write_s
    for index, device in devices:
        path: KeyPath = ("device", index, "watchdog_s")
        if device.watchdog_s is not None and device.watchdog_s < shortest_s:
            yield Finding(
                file="devices.toml",
                path=path,
                message=f"a watchdog of {device.watchdog_s:g} s trips before two writes may be lost",
                allowed=f"at least {shortest_s:g} ({SURVIVED_PERIODS} write periods of {write_s:g} s in control.toml)",
            )
        if device.watchdog_s is None and device.asset in commanded:
            yield Finding(
                file="devices.toml",
                path=path,
                message=f"device '{device.id}' is commanded, so its fall-back time must be stated",
                allowed=f"at least {shortest_s:g} seconds",
            )


def _write_s(control: ControlTable) -> float:
    """Return how often an unchanged setpoint is written: a heartbeat waits for the next control cycle."""
    return max(control.heartbeat_s, control.period_s)


def _first_of_each_key(findings: Iterable[Finding]) -> Iterator[Finding]:
    seen: set[KeyPath] = set()
    for finding in findings:
        if finding.path not in seen:
            seen.add(finding.path)
            yield finding


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1)), None)


def _few(names: list[str], limit: int = 12) -> str:
    return ", ".join(names) if len(names) <= limit else f"{', '.join(names[:limit])}, ... ({len(names)} in all)"
