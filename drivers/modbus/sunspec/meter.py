"""Meters by models 201 to 204: of a load feeder, or of the point of common coupling.

Which direction counts as positive follows the wiring of the meter, so it is configured; so is whether its import
and export counters are swapped.
"""

from collections.abc import Mapping
from typing import Final

from drivers.device.fields import DeviceClass
from drivers.device.reading import spec_error
from drivers.meter.load import LOAD_FAMILY
from drivers.meter.pcc import PCC_FAMILY
from drivers.modbus.sunspec.counters import WrappingCounter, memories
from drivers.modbus.sunspec.device import SunSpecDevice
from drivers.modbus.sunspec.fields import Fields
from drivers.modbus.sunspec.profile import Choice, Profile
from ems.model.counters import CounterMemory
from ems.model.device import DeviceSpec, ModelFamily, SunSpecSpec
from ems.model.readings import LoadReading, PccReading
from ems.ports import DriverEnvironment

_MODELS: Final = (203, 204, 202, 201)
_FAST: Final = frozenset({"W", "Hz", "PPV"})
_SLOW: Final = frozenset({"TotWhImp", "TotWhExp"})
_METER: Final = Profile(
    measured={ModelFamily.OLD: _MODELS},
    fast=dict.fromkeys(_MODELS, _FAST),
    slow=dict.fromkeys(_MODELS, _SLOW),
)
_COUNTER_BITS: Final = 32
_NO_BREAKER: Final = "a SunSpec meter reads no breaker"


class EnergyCounters:
    """Import and export of a meter, from the site's side."""

    def __init__(self, spec: SunSpecSpec, earlier: Mapping[str, CounterMemory]) -> None:
        self._import, self._export = ("TotWhImp", "TotWhExp") if not spec.swapped_counters else ("TotWhExp", "TotWhImp")
        self._wraps = {name: WrappingCounter(_COUNTER_BITS, earlier.get(name)) for name in (self._import, self._export)}

    def memories(self) -> Mapping[str, CounterMemory]:
        """Return how far the counters have come."""
        return memories(self._wraps)

    def fill_import(self, field: str, fields: Fields, model_id: int) -> None:
        """Fill what the meter counts as taken."""
        self._fill(field, fields, model_id, self._import)

    def fill_export(self, field: str, fields: Fields, model_id: int) -> None:
        """Fill what the meter counts as given."""
        self._fill(field, fields, model_id, self._export)

    def _fill(self, field: str, fields: Fields, model_id: int, name: str) -> None:
        fields.energy(field, f"{model_id}.{name}", factor_key=f"{model_id}.TotWh_SF", counter=self._wraps[name])


class SunSpecLoadMeter(SunSpecDevice[LoadReading]):
    """The meter of a load feeder."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, *, power_sign: int) -> None:
        self._sign = -power_sign
        self._counters = EnergyCounters(spec.sunspec, environment.earlier_counters)
        super().__init__(spec, environment, LOAD_FAMILY, profile=_METER, view=self._fill)

    def counters(self) -> Mapping[str, CounterMemory]:
        """Return how far the counters have come that start again at zero."""
        return self._counters.memories()

    def _fill(self, fields: Fields, choice: Choice) -> None:
        model_id = choice.measured
        fields.kw("load_kw", f"{model_id}.W", sign=self._sign)
        # a SunSpec meter keeps no highest value
        fields.value("load_max_kw", None)
        self._counters.fill_import("energy_wh", fields, model_id)


class SunSpecPccMeter(SunSpecDevice[PccReading]):
    """The meter at the point of common coupling; power > 0 imports."""

    def __init__(self, spec: DeviceSpec, environment: DriverEnvironment, *, power_sign: int) -> None:
        self._sign = power_sign
        self._counters = EnergyCounters(spec.sunspec, environment.earlier_counters)
        super().__init__(spec, environment, PCC_FAMILY, profile=_METER, view=self._fill)

    def counters(self) -> Mapping[str, CounterMemory]:
        """Return how far the counters have come that start again at zero."""
        return self._counters.memories()

    def _fill(self, fields: Fields, choice: Choice) -> None:
        model_id = choice.measured
        fields.kw("power_kw", f"{model_id}.W", sign=self._sign)
        fields.number("frequency_hz", f"{model_id}.Hz")
        self._fill_voltages(fields, f"{model_id}.PPV")
        self._counters.fill_import("import_wh", fields, model_id)
        self._counters.fill_export("export_wh", fields, model_id)

    def _fill_voltages(self, fields: Fields, voltage: str) -> None:
        """Fill the grid's voltage, and with it what is behind it where nothing can open in between."""
        sunspec = self._spec.sunspec
        if sunspec.nominal_v is None:
            fields.absent("grid_voltage_frac", "[device.sunspec] nominal_v is not configured")
        else:
            fields.number("grid_voltage_frac", voltage, factor=1.0 / sunspec.nominal_v)
        if sunspec.separate_breaker:
            fields.absent("breaker_closed", _NO_BREAKER)
            fields.absent("bus_voltage_frac", _NO_BREAKER)
        else:
            fields.value("breaker_closed", value=True)
            fields.same("bus_voltage_frac", "grid_voltage_frac")


def sunspec_meter(spec: DeviceSpec, environment: DriverEnvironment) -> SunSpecLoadMeter | SunSpecPccMeter:
    """Return the driver for what the configuration says that the meter measures.

    Raises:
        ConfigError: It does not say how the meter counts, or asks for another reading than a meter's.
    """
    sign = spec.sunspec.power_sign
    if sign is None:
        raise spec_error(
            spec,
            "sunspec.power_sign",
            "the sign of a meter follows its wiring",
            allowed="into_bus or out_of_bus: which direction of power the meter counts as positive",
        )
    match spec.sunspec.shows or DeviceClass.LOAD_METER:
        case DeviceClass.LOAD_METER:
            return SunSpecLoadMeter(spec, environment, power_sign=sign)
        case DeviceClass.PCC_METER:
            return SunSpecPccMeter(spec, environment, power_sign=sign)
        case other:
            raise spec_error(
                spec, "sunspec.shows", f"a meter does not show a {other}", allowed="load_meter or pcc_meter"
            )
