"""What a device can be relied on for: the names that register maps, tools and documents use.

The protocols behind the names are in `ems.ports`; a device has a capability by implementing its protocol.
"""

from dataclasses import dataclass
from enum import StrEnum


class Capability(StrEnum):
    """One thing that a device does; docs/drivers.md says what each promises."""

    REPORTS_POWER = "reports_power"
    REPORTS_LOAD = "reports_load"
    SETS_POWER = "sets_power"
    CURTAILS = "curtails"
    STARTS_AND_STOPS = "starts_and_stops"
    REPORTS_SOC = "reports_soc"
    REPORTS_RACK_SPREAD = "reports_rack_spread"
    FORMS_GRID = "forms_grid"
    COOLS = "cools"
    SETS_SUPPLY = "sets_supply"
    CONTROLS_TIE = "controls_tie"
    HEARTBEAT = "heartbeat"
    REVERTS = "reverts"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLimits:
    """The setpoints that a device takes now, into the site bus, and how fast it follows one.

    The reasons say which limit stands behind each end; `ramp_kw_per_s` is None for a device that follows at once.
    """

    lowest_kw: float
    highest_kw: float
    lowest_reason: str
    highest_reason: str
    ramp_kw_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplyLimits:
    """The temperatures of the coolant to supply that a device takes now, with the limit behind each end."""

    lowest_degc: float
    highest_degc: float
    lowest_reason: str
    highest_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What a device does by itself when its controller goes silent.

    `armed` is None where the device cannot say. `after_s` is the silence after which it acts.
    """

    text: str
    after_s: float | None
    armed: bool | None
