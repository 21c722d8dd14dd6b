"""The mode table: what each mode may write, by which measured conditions it ends, and what it falls back to.

Names after IEEE 2030.7: GRID and ISLAND are steady, the others are transitions or stand for what has failed. Exits
are tried in their order; the one with a span alone is the time-out. docs/modes.md is drawn from here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ems.control.modes.conditions import Condition
from ems.control.state import Mode
from ems.model.site import Site

# INIT gives up waiting for a complete picture after this long
_INIT_TIMEOUT_S: Final = 20.0
# the same as a multiple of the adoption wait, which an accelerated run stretches
_INIT_TIMEOUT_WAITS: Final = 4.0


class Write(StrEnum):
    """What may be written in a mode."""

    BLOCKS = "power of AC blocks"
    PV = "PV limits"
    SETS_START = "starts and power of gensets"
    SETS_STOP = "stops of gensets"
    ENERGISE = "start of a grid-forming PCS"
    TIE_CLOSE = "permit to close the PCC"
    TIE_OPEN = "request to open the PCC"


class Span(StrEnum):
    """Lengths of time of the table, by the configuration key that sets them."""

    NOW = "at once"
    ADOPT = "adopt_wait_s"
    INIT = "4 x adopt_wait_s, at least 20 s"
    DIP = "dip_s"
    DEAD = "dead_bus_s"
    STABLE = "island_stable_s"
    ISLANDING = "islanding_timeout_s"
    PLANNED = "planned_timeout_s"
    CONFIRM = "tie.confirm_s"
    RESYNC = "tie.timeout_s"
    BLACK_START = "black_start_timeout_s"
    CLEAR = "degraded_clear_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A condition that must have held for a span."""

    condition: Condition
    span: Span = Span.NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A way out of a mode: all of `when` must hold; the first one gives the reason."""

    to: Mode
    when: tuple[Held, ...]

    @property
    def is_time_out(self) -> bool:
        """Return whether only time leads here."""
        return all(held.condition is Condition.IN_MODE for held in self.when)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One mode."""

    number: str
    mode: Mode
    meaning: str
    may: frozenset[Write]
    exits: tuple[Exit, ...]


def _exit(to: Mode, *when: Condition | tuple[Condition, Span]) -> Exit:
    held = (
        Held(condition=each[0], span=each[1]) if isinstance(each, tuple) else Held(condition=each, span=Span.NOW)
        for each in when
    )
    return Exit(to=to, when=tuple(held))


_STOP: Final = _exit(Mode.E_STOP, Condition.E_STOP)
_BLIND: Final = _exit(Mode.DEGRADED, Condition.BLIND)
_DEAD: Final = _exit(Mode.DEAD_BUS, (Condition.BUS_DEAD, Span.DEAD))
_POWERS: Final = frozenset({Write.BLOCKS, Write.PV, Write.SETS_START})
_SETTLED: Final = (Condition.IN_MODE, Span.ADOPT)
_GIVEN_UP: Final = (Condition.IN_MODE, Span.INIT)

TABLE: Final = (
    Row(
        number="S0",
        mode=Mode.INIT,
        meaning="adopts the plant as it is measured; holds powers as they are found, once all of them are known",
        may=frozenset({Write.BLOCKS}),
        exits=(
            _STOP,
            _exit(Mode.DEAD_BUS, (Condition.BUS_DEAD, Span.DEAD), Condition.COMPLETE, _SETTLED),
            _exit(Mode.GRID, Condition.PCC_CLOSED, Condition.COMPLETE, _SETTLED),
            _exit(Mode.ISLAND, Condition.PCC_OPEN, Condition.COMPLETE, _SETTLED),
            _exit(Mode.UNPLANNED_ISLANDING, Condition.GRID_LOW, Condition.COMPLETE, _SETTLED),
            _exit(Mode.DEGRADED, Condition.BLIND, _GIVEN_UP),
            _exit(Mode.GRID, Condition.PCC_CLOSED, Condition.NOT_BLIND, _GIVEN_UP),
            _exit(Mode.ISLAND, Condition.PCC_OPEN, Condition.NOT_BLIND, _GIVEN_UP),
            _exit(Mode.UNPLANNED_ISLANDING, Condition.GRID_LOW, Condition.NOT_BLIND, _GIVEN_UP),
        ),
    ),
    Row(
        number="S1",
        mode=Mode.GRID,
        meaning="parallel to the grid",
        may=_POWERS | {Write.SETS_STOP},
        exits=(
            _STOP,
            _BLIND,
            _exit(Mode.UNPLANNED_ISLANDING, Condition.PCC_OPEN),
            _exit(Mode.UNPLANNED_ISLANDING, (Condition.GRID_LOW, Span.DIP)),
            _exit(Mode.PLANNED_ISLANDING, Condition.ISLAND_WANTED, Condition.PCC_CLOSED),
        ),
    ),
    Row(
        number="S2",
        mode=Mode.PLANNED_ISLANDING,
        meaning="brings the exchange at the PCC to zero and asks for it to be opened",
        may=_POWERS | {Write.SETS_STOP, Write.TIE_OPEN},
        exits=(
            _STOP,
            _BLIND,
            _exit(Mode.ISLAND, Condition.PCC_OPEN, Condition.ISLAND_FORMED),
            _exit(Mode.UNPLANNED_ISLANDING, Condition.PCC_OPEN),
            _exit(Mode.UNPLANNED_ISLANDING, (Condition.GRID_LOW, Span.DIP)),
            _exit(Mode.GRID, Condition.ISLAND_NOT_WANTED, Condition.PCC_CLOSED),
            _exit(Mode.GRID, (Condition.IN_MODE, Span.PLANNED)),
        ),
    ),
    Row(
        number="S3",
        mode=Mode.UNPLANNED_ISLANDING,
        meaning="the PCS have taken the load already; steadies what they carry",
        may=_POWERS,
        exits=(
            _STOP,
            _DEAD,
            _BLIND,
            _exit(Mode.GRID, Condition.PCC_CLOSED),
            _exit(Mode.ISLAND, (Condition.ISLAND_FORMED, Span.STABLE)),
            _exit(Mode.DEGRADED, (Condition.IN_MODE, Span.ISLANDING)),
        ),
    ),
    Row(
        number="S4",
        mode=Mode.ISLAND,
        meaning="an island, formed by storage, storage with sets, or sets",
        may=_POWERS | {Write.SETS_STOP},
        exits=(
            _STOP,
            _DEAD,
            _BLIND,
            _exit(Mode.GRID, Condition.PCC_CLOSED),
            _exit(Mode.UNPLANNED_ISLANDING, (Condition.NOTHING_FORMS, Span.DEAD)),
            _exit(Mode.RESYNC, Condition.MAY_RETURN, Condition.ISLAND_FORMED),
        ),
    ),
    Row(
        number="S5",
        mode=Mode.RESYNC,
        meaning="matches the grid's frequency and permits the sync-check device to close the PCC",
        may=_POWERS | {Write.TIE_CLOSE},
        exits=(
            _STOP,
            _DEAD,
            _BLIND,
            _exit(Mode.GRID, (Condition.PCC_CLOSED, Span.CONFIRM)),
            _exit(Mode.ISLAND, Condition.GRID_GONE, Condition.PCC_OPEN),
            _exit(Mode.UNPLANNED_ISLANDING, (Condition.GRID_LOW, Span.DIP)),
            _exit(Mode.ISLAND, Condition.MAY_NOT_RETURN, Condition.PCC_OPEN),
            _exit(Mode.ISLAND, (Condition.IN_MODE, Span.RESYNC)),
        ),
    ),
    Row(
        number="S6",
        mode=Mode.DEAD_BUS,
        meaning="no voltage on the bus; every set is started",
        may=frozenset({Write.SETS_START}),
        exits=(
            _STOP,
            _BLIND,
            _exit(Mode.GRID, Condition.PCC_CLOSED),
            _exit(Mode.BLACK_START, Condition.BUS_REVIVED),
            _exit(Mode.BLACK_START, Condition.MAY_BLACK_START),
        ),
    ),
    Row(
        number="S7",
        mode=Mode.BLACK_START,
        meaning="brings the site back step by step, each step confirmed by measurement",
        may=_POWERS | {Write.ENERGISE},
        exits=(
            _STOP,
            _BLIND,
            _exit(Mode.GRID, Condition.PCC_CLOSED),
            _exit(Mode.DEAD_BUS, Condition.BLACK_START_FAILED),
            _exit(Mode.ISLAND, Condition.BLACK_STARTED, Condition.ISLAND_FORMED),
            _exit(Mode.DEAD_BUS, (Condition.IN_MODE, Span.BLACK_START)),
        ),
    ),
    Row(
        number="S8",
        mode=Mode.DEGRADED,
        meaning="too little is known or out of reach: holds the last setpoints, stops no set",
        may=_POWERS,
        exits=(_STOP, _exit(Mode.INIT, (Condition.NOT_BLIND, Span.CLEAR), (Condition.IN_MODE, Span.CLEAR))),
    ),
    Row(
        number="S9",
        mode=Mode.E_STOP,
        meaning="emergency stop: writes nothing, the devices fall back by themselves",
        may=frozenset(),
        exits=(_exit(Mode.INIT, Condition.E_STOP_LEFT),),
    ),
)
BY_MODE: Final = {row.mode: row for row in TABLE}


def allows(mode: Mode, write: Write) -> bool:
    """Return whether something may be written in a mode."""
    return write in BY_MODE[mode].may


def span_s(site: Site, span: Span) -> float:
    """Return the length of a span at a site."""
    control, modes, tie = site.control, site.control.modes, site.control.tie
    lengths = {
        Span.NOW: 0.0,
        Span.ADOPT: control.adopt_wait_s,
        Span.INIT: max(_INIT_TIMEOUT_S, _INIT_TIMEOUT_WAITS * control.adopt_wait_s),
        Span.DIP: modes.dip_s,
        Span.DEAD: modes.dead_bus_s,
        Span.STABLE: modes.island_stable_s,
        Span.ISLANDING: modes.islanding_timeout_s,
        Span.PLANNED: modes.planned_timeout_s,
        Span.CONFIRM: 0.0 if tie is None else tie.confirm_s,
        Span.RESYNC: 0.0 if tie is None else tie.timeout_s,
        Span.BLACK_START: modes.black_start_timeout_s,
        Span.CLEAR: control.degraded_clear_s,
    }
    return lengths[span]
