"""PV inverters: models 101 to 113 with 120 to 124, or 701 with 702 and 704.

The points that make the reading are here; how a limit is written is in `limits`.
"""

from collections.abc import Mapping
from typing import Final

from drivers.modbus.sunspec.alarms import fill_alarms
from drivers.modbus.sunspec.counters import WrappingCounter, memories
from drivers.modbus.sunspec.fields import W_PER_KW, Fields
from drivers.modbus.sunspec.profile import Choice, Profile
from drivers.modbus.sunspec.states import InverterState, inverter_state, is_remote
from drivers.modbus.sunspec.values import PointValues
from ems.model.counters import CounterMemory
from ems.model.device import ModelFamily

INTEGER_MODELS: Final = (103, 102, 101)
FLOAT_MODELS: Final = (113, 112, 111)
_DER_MEASURED: Final = 701
_OLD_FAST: Final = frozenset({"W", "St", "Evt1"})
_OLD_SLOW: Final = frozenset({"WH"})
PV_PROFILE: Final = Profile(
    measured={ModelFamily.DER: (701,), ModelFamily.OLD: (*INTEGER_MODELS, *FLOAT_MODELS)},
    beside={ModelFamily.DER: frozenset({702, 704}), ModelFamily.OLD: frozenset({120, 121, 123})},
    fast={
        **dict.fromkeys((*INTEGER_MODELS, *FLOAT_MODELS), _OLD_FAST),
        122: frozenset({"WAval"}),
        123: frozenset({"WMaxLimPct", "WMaxLimPct_WinTms", "WMaxLimPct_RvrtTms", "WMaxLimPct_RmpTms", "WMaxLim_Ena"}),
        701: frozenset({"W", "Alrm", "InvSt", "TotWhInj"}),
        704: frozenset(
            {
                *("WMaxLimPctEna", "WMaxLimPct", "WMaxLimPctRvrt", "WMaxLimPctEnaRvrt"),
                *("WMaxLimPctRvrtTms", "WMaxLimPctRvrtRem"),
            }
        ),
        715: frozenset({"LocRemCtl", "DERHb", "ControllerHb"}),
    },
    slow={
        **dict.fromkeys((*INTEGER_MODELS, *FLOAT_MODELS), _OLD_SLOW),
        120: frozenset({"WRtg"}),
        121: frozenset({"WMax"}),
        702: frozenset({"WMaxRtg", "WMax"}),
    },
)
_COUNTER_BITS: Final = 32
_ENERGY: Final = "WH"
# an inverter at its limit stays a little below it
_AT_LIMIT_FRAC: Final = 0.98
_PCT: Final = 100.0
_NOT_TOLD: Final = "limited, and the device does not tell what would be available"


class PvView:
    """Fills the reading of a PV block."""

    def __init__(self, earlier: Mapping[str, CounterMemory]) -> None:
        self._counter = WrappingCounter(_COUNTER_BITS, earlier.get(_ENERGY))

    def memories(self) -> Mapping[str, CounterMemory]:
        """Return how far its counter has come, where it is one that starts again at zero."""
        return memories({_ENERGY: self._counter})

    def fill(self, fields: Fields, choice: Choice) -> None:
        """Fill every field."""
        points, measured = fields.points, choice.measured
        fields.kw("power_kw", f"{measured}.W")
        limit_kw = limit_in_force_kw(points)
        fields.value("limit_kw", limit_kw, *_limit_keys(points))
        if points.has("122.WAval"):
            fields.kw("available_kw", "122.WAval")
        else:
            self._fill_available(fields, inverter_state(points, measured), limit_kw)
        self._fill_energy(fields, measured)
        fields.value("remote", is_remote(points))
        fields.value("rated_kw", reference_kw(points))
        fill_alarms(fields, measured, "Alrm" if measured == _DER_MEASURED else "Evt1")

    def _fill_available(self, fields: Fields, state: InverterState | None, limit_kw: float | None) -> None:
        """An inverter that nothing holds back delivers what there is."""
        power_kw = fields.values["power_kw"]
        if not isinstance(power_kw, float):
            fields.same("available_kw", "power_kw")
        elif state is InverterState.THROTTLED or limit_kw is None or _at_limit(fields.points, power_kw, limit_kw):
            fields.absent("available_kw", _NOT_TOLD)
        else:
            fields.value("available_kw", power_kw)

    def _fill_energy(self, fields: Fields, measured: int) -> None:
        if measured == _DER_MEASURED:
            fields.count("energy_wh", "701.TotWhInj")
        elif measured in FLOAT_MODELS:
            fields.count("energy_wh", f"{measured}.WH")
        else:
            fields.energy("energy_wh", f"{measured}.WH", factor_key=f"{measured}.WH_SF", counter=self._counter)


def _at_limit(points: PointValues, power_kw: float, limit_kw: float) -> bool:
    return is_limited(points) is True and power_kw >= _AT_LIMIT_FRAC * limit_kw


def reference_kw(points: PointValues) -> float | None:
    """Return the power that a limit in percent counts from: WMax of the settings, else of the nameplate."""
    key = points.any_of("702.WMax", "702.WMaxRtg", "121.WMax", "120.WRtg")
    number = None if key is None else points.number(key)
    return None if number is None else number / W_PER_KW


def is_limited(points: PointValues) -> bool | None:
    """Return whether a limit is enabled, None where the device does not tell."""
    code = points.code(points.any_of("704.WMaxLimPctEna", "123.WMaxLim_Ena") or "")
    return None if code is None else code == 1


def limit_in_force_kw(points: PointValues) -> float | None:
    """Return the limit that the inverter keeps: its reference power where none is enabled."""
    reference, limited = reference_kw(points), is_limited(points)
    if reference is None or limited is None:
        return None
    if not limited:
        return reference
    percent = points.number(points.any_of("704.WMaxLimPct", "123.WMaxLimPct") or "")
    return None if percent is None else min(reference, reference * percent / _PCT)


def _limit_keys(points: PointValues) -> tuple[str, ...]:
    """Return the point that an unknown limit is owed to."""
    if reference_kw(points) is None:
        return ("702.WMaxRtg",) if points.has("701.W") else ("121.WMax",)
    return ("704.WMaxLimPct",) if points.has("701.W") else ("123.WMaxLimPct",)
