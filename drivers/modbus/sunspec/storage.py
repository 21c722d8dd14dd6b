"""Storage: the converter by models 701 to 704 and 715, the battery behind it by 713, 714, 802 and 803.

The points that make the two readings are here; how a power is written is in `powers`.
"""

from typing import Final

from drivers.modbus.sunspec.alarms import event_names, fill_alarms
from drivers.modbus.sunspec.fields import W_PER_KW, Fields
from drivers.modbus.sunspec.profile import Choice, Profile
from drivers.modbus.sunspec.pv import reference_kw
from drivers.modbus.sunspec.states import DELIVERING, InverterState, inverter_state, is_remote
from drivers.modbus.sunspec.values import PointValues
from ems.model.device import ModelFamily

_PCT: Final = 100.0
PCS_PROFILE: Final = Profile(
    measured={ModelFamily.DER: (701,)},
    fast={
        701: frozenset({"W", "Hz", "Alrm", "InvSt", "ConnSt", "DERMode", "TotWhInj", "TotWhAbs"}),
        704: frozenset(
            {
                *("WSetEna", "WSetMod", "WSet", "WSetRvrt", "WSetPct", "WSetPctRvrt"),
                *("WSetEnaRvrt", "WSetRvrtTms", "WSetRvrtRem"),
            }
        ),
        715: frozenset({"LocRemCtl", "DERHb", "ControllerHb", "OpCtl"}),
        802: frozenset({"LocRemCtl", "Hb", "CtrlHb"}),
    },
    slow={
        702: frozenset({"WMaxRtg", "WMax", "WChaRteMaxRtg", "WDisChaRteMaxRtg", "WChaRteMax", "WDisChaRteMax"}),
        703: frozenset({"ES"}),
    },
)
BMS_PROFILE: Final = Profile(
    measured={ModelFamily.DER: (802, 713)},
    shared=frozenset({713}),
    fast={
        802: frozenset(
            {
                *("SoC", "SoH", "WChaRteMax", "WDisChaRteMax", "AChaMax", "ADisChaMax", "V", "CellVMax", "CellVMin"),
                *("Evt1", "Hb", "State"),
            }
        ),
        803: frozenset({"ModTmpMax", "ModTmpMin"}),
        713: frozenset({"SoC", "SoH", "Sta"}),
    },
    slow={
        702: frozenset({"WChaRteMaxRtg", "WDisChaRteMaxRtg", "WChaRteMax", "WDisChaRteMax"}),
        714: frozenset({"DCSta"}),
    },
)
# model 701, point DERMode
_FORMING_BIT: Final = 1 << 1
_CONNECTED: Final = 1
# model 713 point Sta, model 714 point DCSta
_STORAGE_ERROR: Final = 2
_PORT_ERROR: Final = 3
_BATTERY_FAULT: Final = 99
_READY: Final = DELIVERING | {InverterState.STANDBY, InverterState.STARTING}


def fill_pcs(fields: Fields, choice: Choice) -> None:
    """Fill the reading of a converter; whether its fall-back is armed the driver adds."""
    points = fields.points
    fields.kw("power_kw", "701.W")
    fields.number("frequency_hz", "701.Hz")
    fields.count("discharge_wh", "701.TotWhInj")
    fields.count("charge_wh", "701.TotWhAbs")
    mode = points.code("701.DERMode")
    fields.value("forming", None if mode is None else bool(mode & _FORMING_BIT), "701.DERMode")
    fields.value("ready", is_ready(points, inverter_state(points, choice.measured)), "701.InvSt")
    fields.value("remote", is_remote(points))
    fields.value("setpoint_kw", setpoint_in_force_kw(points))
    fields.value("rated_kw", reference_kw(points))
    fill_alarms(fields, 701, "Alrm")


def fill_bms(fields: Fields, choice: Choice) -> None:  # noqa: ARG001 - the signature of views
    """Fill the reading of a battery."""
    points = fields.points
    fields.number("soc_pct", "802.SoC", "713.SoC")
    fields.number("soh_pct", "802.SoH", "713.SoH")
    for field, rates, current in (
        ("max_charge_kw", ("802.WChaRteMax", "702.WChaRteMax", "702.WChaRteMaxRtg"), "802.AChaMax"),
        ("max_discharge_kw", ("802.WDisChaRteMax", "702.WDisChaRteMax", "702.WDisChaRteMaxRtg"), "802.ADisChaMax"),
    ):
        fields.value(field, allowed_kw(points, rates, current), *rates)
    fields.number("cell_max_v", "802.CellVMax")
    fields.number("cell_min_v", "802.CellVMin")
    fields.number("cell_max_degc", "803.ModTmpMax")
    fields.number("cell_min_degc", "803.ModTmpMin")
    fields.value("alarm", has_alarm(points), "802.Evt1", "713.Sta")
    fill_alarms(fields, 802, "Evt1")


def is_ready(points: PointValues, state: InverterState | None) -> bool | None:
    """Return whether the converter can deliver at once: its state, its connection, and that it may be in service."""
    if state is None:
        return None
    connected = points.code("701.ConnSt") in {None, _CONNECTED}
    may_serve = points.code("703.ES") != 0
    return state in _READY and connected and may_serve


def setpoint_in_force_kw(points: PointValues) -> float | None:
    """Return the power setpoint that is enabled, None where none is."""
    if points.code("704.WSetEna") != 1:
        return None
    if points.code("704.WSetMod") == 0:
        percent, reference = points.number("704.WSetPct"), reference_kw(points)
        return None if percent is None or reference is None else reference * percent / _PCT
    watts = points.number("704.WSet")
    return None if watts is None else watts / W_PER_KW


def allowed_kw(points: PointValues, rates: tuple[str, ...], current: str) -> float | None:
    """Return what the battery takes or gives now: its rating, or less where its current limit says so."""
    rate = points.number(points.any_of(*rates) or "")
    amperes, volts = points.number(current), points.number("802.V")
    limits = [] if rate is None else [rate / W_PER_KW]
    if amperes is not None and volts is not None:
        limits.append(amperes * volts / W_PER_KW)
    return min(limits, default=None)


def has_alarm(points: PointValues) -> bool | None:
    """Return whether the battery reports more than a warning, None where it reports nothing."""
    alarms = [
        None if (events := points.code("802.Evt1")) is None else bool(events & _ALARM_BITS),
        None if (state := points.code("802.State")) is None else state == _BATTERY_FAULT,
        None if (status := points.code("713.Sta")) is None else status == _STORAGE_ERROR,
        *(code == _PORT_ERROR for code in points.codes("714.Prt[", ".DCSta")),
    ]
    known = [alarm for alarm in alarms if alarm is not None]
    return any(known) if known else None


_ALARM_BITS: Final = sum(1 << bit for bit, name in event_names(802, "Evt1").items() if not name.endswith("WARNING"))
