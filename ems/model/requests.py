"""What people ask of the operating modes; every request ends by itself."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequests:
    """The requests in force in one cycle.

    `island`: leave the grid and stay away from it; `stay_island`: no return to the grid; `black_start`: begin one
    although a hold stands; `e_stop`: stop writing; `leave_e_stop`: begin anew after an emergency stop that is released.
    """

    island: bool = False
    stay_island: bool = False
    black_start: bool = False
    e_stop: bool = False
    leave_e_stop: bool = False


NO_REQUESTS: Final = OperatorRequests()
