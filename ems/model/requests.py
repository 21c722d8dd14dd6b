"""What people ask of the operating modes; every request ends by itself."""

from dataclasses import dataclass
from typing import Final

from ems.model.bounds import Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequests:
    """The requests in force in one cycle.

    `island`: leave the grid and stay away from it; `stay_island`: no return to the grid; `black_start`: begin one
    although a hold stands; `e_stop`: stop writing; `leave_e_stop`: begin anew after an emergency stop that is released.
    `bounds` narrow what the site may do.
    """

    island: bool = False
    stay_island: bool = False
    black_start: bool = False
    e_stop: bool = False
    leave_e_stop: bool = False
    bounds: tuple[Bound, ...] = ()


# the modes that can be asked for by name
MODE_REQUESTS: Final = ("island", "stay_island", "black_start", "e_stop", "leave_e_stop")
NO_REQUESTS: Final = OperatorRequests()


def both(one: OperatorRequests, other: OperatorRequests) -> OperatorRequests:
    """Return what either asks for."""
    return OperatorRequests(
        island=one.island or other.island,
        stay_island=one.stay_island or other.stay_island,
        black_start=one.black_start or other.black_start,
        e_stop=one.e_stop or other.e_stop,
        leave_e_stop=one.leave_e_stop or other.leave_e_stop,
        bounds=(*one.bounds, *other.bounds),
    )
