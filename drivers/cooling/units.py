"""Coolant distribution units, chillers and dry coolers: what each of them shows, and the setpoint that some take."""

from dataclasses import replace
from typing import Final

from drivers.cooling.supply import SUPPLY, SupplyDevice
from drivers.device.assembly import Family
from drivers.device.fields import DeviceClass
from drivers.device.plausibility import SLIP_FRAC, Band
from drivers.device.values import Value
from drivers.modbus.device import PolledDevice
from drivers.modbus.mapfile import device_map
from ems.model.device import DeviceSpec
from ems.model.readings import CduReading, ChillerReading, DryCoolerReading
from ems.ports import Device, DriverEnvironment

_LOAD_BAND: Final = Band(field="load_kw", low_frac=-1e-3, high_frac=SLIP_FRAC, low_hint="; a load is never negative")
# any of these is an alarm
_FAULTS: Final = ("leak", "low_flow", "faults")


def _complete(values: dict[str, Value | None], bad: dict[str, str], rated_kw: float) -> None:  # noqa: ARG001 - as any
    """Say whether an alarm stands where the unit has no register for that: what it has is one, unknown is unknown."""
    if "alarm" in values or "alarm" in bad:
        return
    shown = [name for name in _FAULTS if name in values or name in bad]
    if any(values.get(name) for name in shown):
        values["alarm"] = True
    elif unknown := [name for name in shown if name in bad]:
        values["alarm"], bad["alarm"] = None, bad[unknown[0]]
    else:
        values["alarm"] = False if shown else None


CDU_FAMILY: Final = Family(device_class=DeviceClass.CDU, reading=CduReading, derive=_complete)
CHILLER_FAMILY: Final = Family(
    device_class=DeviceClass.CHILLER, reading=ChillerReading, bands=(_LOAD_BAND,), derive=_complete
)
DRY_COOLER_FAMILY: Final = Family(
    device_class=DeviceClass.DRY_COOLER, reading=DryCoolerReading, bands=(_LOAD_BAND,), derive=_complete
)


class CduDevice(SupplyDevice[CduReading]):
    """A coolant distribution unit whose supply temperature is commanded."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, replace(CDU_FAMILY, commands=(SUPPLY,)))


class CduMonitor(PolledDevice[CduReading]):
    """A coolant distribution unit that is only read."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, CDU_FAMILY)


class ChillerDevice(SupplyDevice[ChillerReading]):
    """A chiller whose supply temperature is commanded; when its compressors run is its own matter."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, replace(CHILLER_FAMILY, commands=(SUPPLY,)))


class ChillerMonitor(PolledDevice[ChillerReading]):
    """A chiller that is only read."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, CHILLER_FAMILY)


class DryCooler(PolledDevice[DryCoolerReading]):
    """A dry cooler, which is only read."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, DRY_COOLER_FAMILY)


def cdu(spec: DeviceSpec, environment: DriverEnvironment) -> Device:
    """Return a coolant distribution unit; it is commanded where a fall-back time is configured.

    Raises:
        ConfigError: As `CduDevice`.
    """
    return CduDevice(spec, environment) if _is_commanded(spec, environment) else CduMonitor(spec, environment)


def chiller(spec: DeviceSpec, environment: DriverEnvironment) -> Device:
    """Return a chiller; it is commanded where a fall-back time is configured.

    Raises:
        ConfigError: As `ChillerDevice`.
    """
    return ChillerDevice(spec, environment) if _is_commanded(spec, environment) else ChillerMonitor(spec, environment)


def _is_commanded(spec: DeviceSpec, environment: DriverEnvironment) -> bool:
    """Return whether the map has the setpoint and the configuration means it to be used."""
    if spec.watchdog_s is None:
        return False
    register_map = device_map(spec, environment.map_directories)
    return register_map is not None and SUPPLY in register_map.commands
