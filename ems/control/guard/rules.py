"""The rules of the guard by name, what it knows beside the snapshot, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Final

from ems.control.state import GensetTrack, Mode
from ems.model.setpoints import Setpoints
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.reserve import Operation, Requirement

# clips smaller than this are rounding
CLIP_KW: Final = 1e-6
# the asset of a clip that narrows all blocks together
STORAGE: Final = "storage"
# below this share of nominal voltage the grid counts as lost (trip band of the interconnection relay)
_GRID_VOLTAGE_FRAC: Final = 0.8


class Rule(StrEnum):
    """Guard rules that change setpoints; docs/architecture.md lists them with those that act elsewhere."""

    LAST_FORMING = "G0"
    NOT_A_NUMBER = "G1"
    LIVE_LIMIT = "G2"
    SOC_WINDOW = "G3"
    TEMPERATURE = "G4"
    CELL_VOLTAGE = "G5"
    SITE_LIMIT = "G6"
    HEADROOM = "G7"
    RATE = "G8"
    DATA_AGE = "G9"
    INTERLOCK = "G10"
    BALANCE = "G13"
    COOLING = "G16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A setpoint that a rule changed or dropped."""

    rule: Rule
    asset_id: str
    requested_kw: float
    allowed_kw: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """A unit that ought to be disconnected from the bus by people or by its own protection, and why."""

    asset_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What may be written, what was changed, and which units ought to be isolated."""

    setpoints: Setpoints
    clips: tuple[Clip, ...]
    isolations: tuple[Isolation, ...] = ()


def no_tracks() -> Mapping[str, GensetTrack]:
    """Return the memory of sets of which nothing is remembered."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardContext:
    """What the guard knows beside the snapshot.

    `floor_kwh` is the site's energy floor, `stored_kwh` the site's energy; `r0_margin_kw` is held minus required in
    R0 now, of the `operation` and what is `required` of it (None: every stop of a running set counts as lowering it).
    `contingency` is the declared contingency for whose time storage may go below its floor. `tracks` has the clocks
    of the sets. `stop_all` lifts what forbids stops: people have stopped the site.
    """

    mode: Mode
    dt_s: float
    stored_kwh: float
    floor_kwh: float
    r0_margin_kw: float
    operation: Operation | None = None
    required: Requirement | None = None
    contingency: str | None = None
    tracks: Mapping[str, GensetTrack] = field(default_factory=no_tracks)
    stop_all: bool = False


def on_grid(site: Site, snapshot: SiteSnapshot, context: GuardContext) -> bool:
    """Return whether the public grid carries what the units leave.

    A parallel mode and ISLAND say so; in every other mode it is what is measured at the PCC.
    """
    pcc = snapshot.pcc
    if context.mode.is_parallel:
        return True
    if site.grid is None or pcc is None or context.mode is Mode.ISLAND:
        return False
    is_alive = pcc.grid_voltage_frac is None or pcc.grid_voltage_frac >= _GRID_VOLTAGE_FRAC
    return pcc.breaker_closed is True and is_alive


def dropped(rule: Rule, asset_id: str, requested_kw: float, reason: str) -> Clip:
    """Return the clip of a setpoint that is not written."""
    return Clip(rule=rule, asset_id=asset_id, requested_kw=requested_kw, allowed_kw=None, reason=reason)


def is_number(asset_id: str, value: float, clips: list[Clip]) -> bool:
    """Return whether a value is a finite number (G1); say so if it is not."""
    if isinstance(value, int | float) and isfinite(value):
        return True
    shown = value if isinstance(value, int | float) else float("nan")
    clips.append(dropped(Rule.NOT_A_NUMBER, asset_id, shown, "not a finite number"))
    return False
