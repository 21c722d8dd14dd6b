"""What a device says that it does. The codes of model 701 differ by one from those of models 101 to 113."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from drivers.modbus.sunspec.values import PointValues


class InverterState(StrEnum):
    """The operating states of SunSpec inverters."""

    OFF = "off"
    SLEEPING = "sleeping"
    STARTING = "starting"
    RUNNING = "running"
    THROTTLED = "throttled"
    SHUTTING_DOWN = "shutting_down"
    FAULT = "fault"
    STANDBY = "standby"


_IN_ORDER: Final = tuple(InverterState)
# models 101 to 113, point St: 1 off ... 4 MPPT ... 8 standby
OLD_STATES: Final[Mapping[int, InverterState]] = dict(enumerate(_IN_ORDER, start=1))
# model 701, point InvSt: 0 off ... 3 running ... 7 standby
DER_STATES: Final[Mapping[int, InverterState]] = dict(enumerate(_IN_ORDER))
# point LocRemCtl of models 715 and 802
_LOCAL: Final = 1
DELIVERING: Final = frozenset({InverterState.RUNNING, InverterState.THROTTLED})


def inverter_state(points: PointValues, measured: int) -> InverterState | None:
    """Return the state that the measuring model shows, None where it is not implemented or unknown."""
    if measured == 701:
        code = points.code("701.InvSt")
        return None if code is None else DER_STATES.get(code)
    code = points.code(f"{measured}.St")
    return None if code is None else OLD_STATES.get(code)


def is_remote(points: PointValues) -> bool | None:
    """Return whether the device takes our commands, None where it has no such switch."""
    switches = [points.code(key) for key in ("715.LocRemCtl", "802.LocRemCtl") if points.has(key)]
    return None if not switches else _LOCAL not in switches
