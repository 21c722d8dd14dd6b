"""Builds links and devices from a configuration; drivers are found by the entry point group `ems.drivers`."""

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import drivers
from drivers.device.mapfiles import DEVICES_FILE
from drivers.modbus.link import ModbusLink
from drivers.mqtt.link import MqttLink
from ems.app.located import located
from ems.config.build import Wiring
from ems.errors import ConfigError, ConfigProblem
from ems.model.counters import CounterMemory
from ems.model.device import DeviceSpec
from ems.model.site import Site
from ems.ports import Clock, Device, DeviceLink, DriverEnvironment, DriverFactory, SetsPower

GROUP = "ems.drivers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The site's devices by the asset that they serve, and the links and brokers before them."""

    devices: Mapping[str, Device]
    links: tuple[DeviceLink, ...]


def _nothing_known(_device_id: str) -> Mapping[str, str] | None:
    return None


def _nothing_written(_device_id: str) -> Mapping[str, Sequence[datetime]]:
    return {}


def _nothing_counted(_device_id: str) -> Mapping[str, CounterMemory]:
    return {}


def build_fleet(
    site: Site,
    wiring: Wiring,
    clock: Clock,
    *,
    directories: tuple[Path, ...],
    known: Callable[[str], Mapping[str, str] | None] = _nothing_known,
    written: Callable[[str], Mapping[str, Sequence[datetime]]] = _nothing_written,
    counted: Callable[[str], Mapping[str, CounterMemory]] = _nothing_counted,
    read_only: bool = False,
) -> Fleet:
    """Return all devices, attached to their links and not yet connected.

    `known` gives the texts by which a device is the right one; None takes the first that answers. `written` gives the
    writes of the last 24 h to commands in non-volatile memory, `counted` how far counters had come that start again.

    Raises:
        ConfigError: A driver or map does not exist, or does not fit; names the file of the nearest of `directories`.
    """
    maps = tuple(directory / "maps" for directory in directories)
    ratings = rated_kw_by_asset(site)
    devices: dict[str, Device] = {}
    try:
        links = device_links(wiring, clock, read_only=read_only)
    except ConfigError as error:
        raise ConfigError(*(located(problem, directories) for problem in error.problems)) from error
    for spec in wiring.devices:
        environment = DriverEnvironment(
            clock=clock,
            links=links,
            map_directories=maps,
            rated_kw=spec.rated_kw or ratings.get(spec.asset, site.design_load_kw),
            confirmed_identity=known(spec.id),
            earlier_writes=written(spec.id),
            earlier_counters=counted(spec.id),
        )
        try:
            devices[spec.asset] = driver_factory(spec)(spec, environment)
        except ConfigError as error:
            raise ConfigError(*(located(problem, directories) for problem in error.problems)) from error
    if wrong := tuple(_without_power(site, wiring, devices)):
        raise ConfigError(*(located(problem, directories) for problem in wrong))
    return Fleet(devices=devices, links=tuple(links.values()))


def device_links(wiring: Wiring, clock: Clock, *, read_only: bool = False) -> dict[str, DeviceLink]:
    """Return the connections of a site by name, none of them made yet; those that only read let no write pass.

    Raises:
        ConfigError: A certificate, key or password cannot be used.
    """
    return {
        **{link.id: ModbusLink(link, clock=clock, read_only=read_only) for link in wiring.links},
        **{broker.id: MqttLink(broker, clock=clock, read_only=read_only) for broker in wiring.brokers},
    }


def _without_power(site: Site, wiring: Wiring, devices: Mapping[str, Device]) -> Iterator[ConfigProblem]:
    """Yield the gensets that control would steer although their driver takes no power."""
    for kind in site.gensets:
        for spec in wiring.devices:
            device = devices.get(spec.asset)
            if spec.asset in kind.unit_ids and kind.takes_power and not isinstance(device, SetsPower):
                yield ConfigProblem(
                    file=DEVICES_FILE,
                    key=f"device '{spec.id}'.driver",
                    message=f"{spec.driver} takes no power, and the sets of class '{kind.id}' are said to follow one",
                    allowed=f"takes_power = false in [genset.{kind.id}] of assets.toml, or driver genset.controller",
                )


def rated_kw_by_asset(site: Site) -> dict[str, float]:
    """Return the nameplate of each asset: the scale of plausible powers."""
    ratings = {block.id: pool.pcs_kw for pool in site.batteries for block in pool.blocks}
    ratings |= {
        container: pool.pcs_kw for pool in site.batteries for block in pool.blocks for container in block.container_ids
    }
    ratings |= {unit: kind.rated_kw for kind in site.gensets for unit in kind.unit_ids}
    ratings |= {block: plant.ac_kw for plant in site.pv for block in plant.block_ids}
    if site.grid is not None:
        ratings["pcc"] = site.grid.import_limit_kw
    return ratings


def check_own_drivers() -> None:
    """Refuse to start where a foreign package named `drivers` lies over ours.

    Raises:
        ConfigError: It does.
    """
    if not hasattr(drivers, "OWNER") or drivers.OWNER != "gpu-microgrid-ems":
        raise ConfigError(
            ConfigProblem(
                file=str(drivers.__file__),
                message="another distribution has overwritten the package 'drivers' of gpu-microgrid-ems",
                allowed="install gpu-microgrid-ems in a virtual environment of its own",
            )
        )


def driver_factory(spec: DeviceSpec) -> DriverFactory:
    """Return the entry point of a device's driver.

    Raises:
        ConfigError: There is none of that name.
    """
    found = _factories()
    names = sorted(found)
    if spec.driver not in found:
        nearest = next(iter(difflib.get_close_matches(spec.driver, names, n=1)), None)
        raise ConfigError(
            ConfigProblem(
                file=DEVICES_FILE,
                key=f"device '{spec.id}'.driver",
                message=f"no driver is called '{spec.driver}'",
                allowed=", ".join(names),
                nearest=nearest,
            )
        )
    factory: DriverFactory = found[spec.driver].load()
    return factory


@cache
def _factories() -> Mapping[str, EntryPoint]:
    """Return the entry points of drivers by name; looked up once, as that reads the metadata of every package."""
    return {point.name: point for point in entry_points(group=GROUP)}
