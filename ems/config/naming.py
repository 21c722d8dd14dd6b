"""Names of assets that come in numbers, and the expansion of numbered links and devices."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ems.config.schema.assets import AssetsFile, CoolingTable
from ems.config.schema.devices import BrokerTable, DevicesFile, DeviceTable, LinkTable, SunSpecTable
from ems.model.device import (
    BrokerSpec,
    DeviceSpec,
    Framing,
    LinkSpec,
    ModelFamily,
    MqttVersion,
    Parity,
    SerialLine,
    SunSpecSpec,
    TcpEndpoint,
    TlsFiles,
)
from ems.model.hand import SITE

# assets of which a site has one
PCC = "pcc"
IT = "it"
COOLING_LOAD = "cooling"
AUX = "aux"
COOLING_PLANT = "cooling_plant"
TANK = "tank"

# what each kind of asset follows in MANUAL
_IN_HANDS: Mapping[str, tuple[str, ...]] = {
    "block": ("power_kw",),
    "genset": ("power_kw", "run"),
    "pv": ("limit_kw",),
    PCC: (),
}

T = TypeVar("T")

_NUMBER = re.compile(r"\{[nl](?::0(\d))?\}")


def block_ids(pool: str, n_blocks: int) -> tuple[str, ...]:
    """Return the names of a pool's AC blocks."""
    return tuple(f"{pool}{n:02}" for n in range(1, n_blocks + 1))


def container_ids(pool: str, *, block: int, per_block: int) -> tuple[str, ...]:
    """Return the names of the containers of one block (blocks count from 1)."""
    first = (block - 1) * per_block + 1
    return tuple(f"{pool}-c{n:02}" for n in range(first, first + per_block))


def unit_ids(genset_class: str, n_units: int) -> tuple[str, ...]:
    """Return the names of a genset class's units."""
    return tuple(f"{genset_class}{n:02}" for n in range(1, n_units + 1))


def pv_block_ids(plant: str, n_blocks: int) -> tuple[str, ...]:
    """Return the names of a PV plant's blocks."""
    return tuple(f"{plant}{n:02}" for n in range(1, n_blocks + 1))


def cooling_units(cooling: CoolingTable) -> dict[str, tuple[str, ...]]:
    """Return the names of the cooling plant's units by their kind: cdu, chiller, dry_cooler."""
    tables = {"cdu": cooling.cdu, "chiller": cooling.chiller, "dry_cooler": cooling.dry_cooler}
    return {kind: unit_ids(kind, table.n_units) for kind, table in tables.items() if table is not None}


def commanded_cooling(cooling: CoolingTable) -> frozenset[str]:
    """Return the kinds of cooling unit whose supply temperature is commanded."""
    tables = {"cdu": cooling.cdu, "chiller": cooling.chiller}
    return frozenset(kind for kind, table in tables.items() if table is not None and table.supply_degc is not None)


def has_plant_controller(cooling: CoolingTable) -> bool:
    """Return whether the plant needs a controller of its own: its units may tell all that it would."""
    return cooling.cdu is None or cooling.dry_cooler is None


def numbered(pattern: str, number: int) -> str:
    """Fill the number into a pattern such as `bess{n:02}`."""
    return _NUMBER.sub(lambda match: f"{number:0{int(match[1] or 1)}}", pattern)


def expand_links(devices: DevicesFile, *, resolve: Callable[[str], Path] = Path) -> Iterator[tuple[int, LinkSpec]]:
    """Yield every link with the index of the table that it comes from; each table has the keys of its framing.

    `resolve` finds the files that a table names.
    """
    for index, table in enumerate(devices.link):
        for n in range(1, table.count + 1):
            yield index, _link(table, n, resolve=resolve)


def expand_brokers(devices: DevicesFile, *, resolve: Callable[[str], Path] = Path) -> Iterator[tuple[int, BrokerSpec]]:
    """Yield every broker with the index of the table that it comes from; `resolve` as for links."""
    for index, table in enumerate(devices.broker):
        for n in range(1, table.count + 1):
            yield index, _broker(table, n, resolve=resolve)


def expand_devices(devices: DevicesFile) -> Iterator[tuple[int, DeviceSpec]]:
    """Yield every device with the index of the table that it comes from."""
    for index, table in enumerate(devices.device):
        for n in range(1, table.count + 1):
            yield index, _device(table, n)


def asset_kinds(assets: AssetsFile, *, has_grid: bool) -> dict[str, str]:
    """Return every asset name with its kind: block, container, genset, pv, or its own name."""
    return dict(assets_with_kinds(assets, has_grid=has_grid))


def assets_with_kinds(assets: AssetsFile, *, has_grid: bool) -> Iterator[tuple[str, str]]:
    """Yield the name and kind of every asset; a configuration that is not checked yet may repeat names."""
    yield from ((name, name) for name in (IT, COOLING_LOAD, AUX, COOLING_PLANT))
    for kind, units in cooling_units(assets.cooling).items():
        yield from ((unit, kind) for unit in units)
    if has_grid:
        yield PCC, PCC
    if assets.fuel_tank is not None:
        yield TANK, TANK
    for pool, table in assets.battery.items():
        for number, block in enumerate(block_ids(pool, table.n_blocks), start=1):
            yield block, "block"
            for container in container_ids(pool, block=number, per_block=table.containers_per_block):
                yield container, "container"
    for name, genset in assets.genset.items():
        yield from ((unit, "genset") for unit in unit_ids(name, genset.n_units))
    for name, pv in assets.pv.items():
        yield from ((block, "pv") for block in pv_block_ids(name, pv.n_blocks))


def assets_in_hands(assets: AssetsFile, *, has_grid: bool) -> dict[str, tuple[str, ...]]:
    """Return what people can take over, each with the values that it follows in MANUAL."""
    values: dict[str, tuple[str, ...]] = {**_IN_HANDS}
    values |= dict.fromkeys(commanded_cooling(assets.cooling), ("supply_degc",))
    found: dict[str, tuple[str, ...]] = {SITE: ()}
    for name, kind in assets_with_kinds(assets, has_grid=has_grid):
        if kind in values:
            found[name] = values[kind]
    return found


def _link(table: LinkTable, n: int, *, resolve: Callable[[str], Path]) -> LinkSpec:
    return LinkSpec(
        id=numbered(table.id, n),
        endpoint=_endpoint(table, n, resolve=resolve),
        timeout_s=table.timeout_s,
        connect_delay_s=table.connect_delay_s,
        gap_s=table.gap_s,
        reconnect_min_s=table.reconnect_min_s,
        reconnect_max_s=table.reconnect_max_s,
    )


def _broker(table: BrokerTable, n: int, *, resolve: Callable[[str], Path]) -> BrokerSpec:
    name = numbered(table.id, n)
    return BrokerSpec(
        id=name,
        host=table.host,
        port=table.port + n - 1,
        version=MqttVersion(table.protocol),
        client_id=f"{table.client_id}-{name}",
        username=table.username,
        password_file=None if table.password_file is None else resolve(table.password_file),
        tls=None if table.ca_file is None else _certificates(table, table.ca_file, resolve=resolve),
        keepalive_s=table.keepalive_s,
        timeout_s=table.timeout_s,
        reconnect_min_s=table.reconnect_min_s,
        reconnect_max_s=table.reconnect_max_s,
        max_queued=table.max_queued,
    )


def _endpoint(table: LinkTable, n: int, *, resolve: Callable[[str], Path]) -> TcpEndpoint | SerialLine:
    framing = Framing(table.framing)
    if framing is Framing.RTU:
        return SerialLine(
            device=numbered(_given(table.device), n),
            baud=table.baud,
            parity=Parity(table.parity),
            stop_bits=table.stop_bits,
        )
    return TcpEndpoint(
        host=_given(table.host),
        port=_given(table.port) + n - 1,
        framing=framing,
        tls=_tls(table, resolve=resolve) if framing is Framing.TLS else None,
    )


def _tls(table: LinkTable, *, resolve: Callable[[str], Path]) -> TlsFiles:
    files = _certificates(table, _given(table.ca_file), resolve=resolve)
    return replace(files, server_name=table.server_name)


def _certificates(table: LinkTable | BrokerTable, ca_file: str, *, resolve: Callable[[str], Path]) -> TlsFiles:
    return TlsFiles(
        ca_file=resolve(ca_file),
        cert_file=None if table.cert_file is None else resolve(table.cert_file),
        key_file=None if table.key_file is None else resolve(table.key_file),
    )


def _given(value: T | None) -> T:
    """Return a key that the framing of its table requires; the cross-check refuses tables without it."""
    if value is None:
        raise ValueError("a link lacks a key of its framing")
    return value


def _device(table: DeviceTable, n: int) -> DeviceSpec:
    link, place = divmod(n - 1, table.per_link)
    return DeviceSpec(
        id=numbered(table.id, n),
        driver=table.driver,
        asset=numbered(table.asset, n),
        link=numbered(table.link, link + 1),
        unit=table.unit + place,
        map=table.map,
        fast_s=table.fast_s,
        slow_s=table.slow_s,
        watchdog_s=table.watchdog_s,
        rated_kw=table.rated_kw,
        ramp_frac_per_s=table.ramp_frac_per_s,
        local_supply_degc=table.local_supply_degc,
        setpoint_every_s=table.setpoint_every_s,
        registers=table.registers,
        topics=table.topics,
        name=None if table.name is None else numbered(table.name, n),
        sunspec=SunSpecSpec() if table.sunspec is None else _sunspec(table.sunspec),
    )


def _sunspec(table: SunSpecTable) -> SunSpecSpec:
    return SunSpecSpec(
        shows=table.shows,
        family=ModelFamily(table.family),
        instance=table.instance,
        power_sign=None if table.power_sign is None else {"into_bus": 1, "out_of_bus": -1}[table.power_sign],
        swapped_counters=table.swapped_counters,
        separate_breaker=table.pcc_breaker == "separate",
        nominal_v=table.nominal_v,
        base=table.base,
        max_registers=table.max_registers,
        fallback_kw=table.fallback_kw,
        revert_timer=table.revert_timer,
    )
