"""The drivers of SunSpec PV inverters and storage units, as the entry points name them."""

from collections.abc import Mapping
from typing import Final

from drivers.battery.bms import BMS_FAMILY
from drivers.battery.pcs import PCS_FAMILY
from drivers.device.fields import DeviceClass
from drivers.device.narrowing import LimitFinder
from drivers.device.reading import spec_error
from drivers.modbus.sunspec.commanded import CommandedSunSpecDevice
from drivers.modbus.sunspec.control import LimitRecipe, PowerRecipe
from drivers.modbus.sunspec.device import SunSpecDevice
from drivers.modbus.sunspec.fields import W_PER_KW, Fields
from drivers.modbus.sunspec.profile import Choice
from drivers.modbus.sunspec.pv import PV_PROFILE, PvView, reference_kw
from drivers.modbus.sunspec.storage import BMS_PROFILE, PCS_PROFILE, fill_bms, fill_pcs
from drivers.pv.block import PV_FAMILY
from ems.model.counters import CounterMemory
from ems.model.device import DeviceSpec
from ems.model.readings import BmsReading, PcsReading, PvReading
from ems.ports import DriverEnvironment

_BY_HEARTBEAT: Final = "Without heartbeat the device falls back as set at the device."


class SunSpecPv(CommandedSunSpecDevice[PvReading]):
    """A PV inverter or block controller; its limit is in percent of WMax."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        self._pv = PvView(environment.earlier_counters)
        super().__init__(
            spec,
            environment,
            PV_FAMILY,
            profile=PV_PROFILE,
            view=self._fill,
            models=(704, 123),
            recipe=LimitRecipe(self.find_target),
        )

    def counters(self) -> Mapping[str, CounterMemory]:
        """Return how far its energy counter has come, where that starts again at zero."""
        return self._pv.memories()

    def set_limit(self, limit_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power limit; the block delivers what the sun gives up to it."""
        self._command("limit_kw", limit_kw, valid_until_s=valid_until_s)

    def _fill(self, fields: Fields, choice: Choice) -> None:
        self._pv.fill(fields, choice)
        self._fill_armed(fields)

    def _fallback_text(self) -> str:
        if not self._spec.sunspec.revert_timer:
            return _BY_HEARTBEAT
        return "When its revert timer runs out the limit ends: the block delivers what the sun gives."

    def _own_limits(self, finder: LimitFinder) -> float | None:
        reference = reference_kw(self._points)
        if reference is not None:
            finder.narrow(0.0, reference, "WMax of the device")
        return None


class SunSpecPcs(CommandedSunSpecDevice[PcsReading]):
    """A storage converter; power > 0 discharges."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(
            spec,
            environment,
            PCS_FAMILY,
            profile=PCS_PROFILE,
            view=self._fill,
            models=(704,),
            recipe=PowerRecipe(self.find_target, fallback_kw=spec.sunspec.fallback_kw),
        )

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:
        """Ask for a power into the site bus; for a grid-forming PCS it is the offset of its droop."""
        self._command("power_kw", power_kw, valid_until_s=valid_until_s)

    def _fill(self, fields: Fields, choice: Choice) -> None:
        fill_pcs(fields, choice)
        self._fill_armed(fields)

    def _fallback_text(self) -> str:
        if not self._spec.sunspec.revert_timer:
            return _BY_HEARTBEAT
        return f"When its revert timer runs out it goes to {self._spec.sunspec.fallback_kw:g} kW."

    def _own_limits(self, finder: LimitFinder) -> float | None:
        points = self._points
        rated = points.number(points.any_of("702.WMax", "702.WMaxRtg") or "")
        charge = points.number(points.any_of("702.WChaRteMax", "702.WChaRteMaxRtg") or "")
        discharge = points.number(points.any_of("702.WDisChaRteMax", "702.WDisChaRteMaxRtg") or "")
        lowest = [number / W_PER_KW for number in (rated, charge) if number is not None]
        highest = [number / W_PER_KW for number in (rated, discharge) if number is not None]
        if lowest and highest:
            finder.narrow(-min(lowest), min(highest), "model 702 of the device")
        return None


class SunSpecBms(SunSpecDevice[BmsReading]):
    """The battery behind a converter; it is only read."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment) -> None:
        super().__init__(spec, environment, BMS_FAMILY, profile=BMS_PROFILE, view=fill_bms)


def sunspec_pv(spec: DeviceSpec, environment: DriverEnvironment) -> SunSpecPv:
    """Return the driver of a PV inverter.

    Raises:
        ConfigError: The configuration asks for another reading than that of PV.
    """
    if spec.sunspec.shows is not None:
        raise spec_error(
            spec, "sunspec.shows", f"sunspec.pv does not show a {spec.sunspec.shows}", allowed="leave the key out"
        )
    return SunSpecPv(spec, environment)


def sunspec_storage(spec: DeviceSpec, environment: DriverEnvironment) -> SunSpecPcs | SunSpecBms:
    """Return the driver of the converter or the battery of a storage unit.

    Raises:
        ConfigError: The configuration asks for another reading than these.
    """
    match spec.sunspec.shows or DeviceClass.PCS:
        case DeviceClass.PCS:
            return SunSpecPcs(spec, environment)
        case DeviceClass.BMS:
            return SunSpecBms(spec, environment)
        case other:
            raise spec_error(spec, "sunspec.shows", f"a storage unit does not show a {other}", allowed="pcs or bms")
