"""What control commands, why, and what became of it."""

from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Reason codes; docs/glossary.md explains each."""

    PLAN = "plan"
    BALANCE = "balance"
    SURPLUS = "surplus"
    SOC_BALANCE = "soc_balance"
    ENERGY_LOW = "energy_low"
    SOC_LOW = "soc_low"
    HEADROOM_LOW = "headroom_low"
    GRID_LOST = "grid_lost"
    DERATED = "derated"
    RESERVE_HELD = "reserve_held"
    PV_CARRIES = "pv_carries"
    SOC_RECOVERED = "soc_recovered"
    MINIMUM_RUN = "minimum_run"
    FAILED_START = "failed_start"
    PEAK_LIMIT = "peak_limit"
    IMPORT_LIMIT = "import_limit"
    PCC_RAMP = "pcc_ramp"
    ADOPTED = "adopted"
    CLIPPED = "clipped"
    PROBE = "probe"
    CONFIGURED = "configured"
    DEAD_BUS = "dead_bus"
    BLACK_START = "black_start"
    TIE = "tie"
    LOAD_SHED = "load_shed"
    MANUAL = "manual"
    COMMAND = "command"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was decided, as a code and a sentence with figures."""

    cause: Cause
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSetpoint:
    """Power of one AC block; for a grid-forming PCS it is the offset of its droop."""

    id: str
    power_kw: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetSetpoint:
    """Run request and power of one set; `power_kw` counts only while the set runs, None for one that takes none."""

    id: str
    run: bool
    power_kw: float | None
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PvSetpoint:
    """Power limit of one PV block."""

    id: str
    limit_kw: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplySetpoint:
    """Supply temperature of one cooling unit."""

    id: str
    supply_degc: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergiseSetpoint:
    """Start of a grid-forming PCS on a bus without voltage."""

    id: str
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TieSetpoint:
    """What the PCC breaker's sync-check device is told; it alone closes, and a permit that is not renewed expires."""

    permit_close: bool
    request_open: bool
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoints:
    """All commands of one cycle; a device that is not listed is not written."""

    blocks: tuple[BlockSetpoint, ...] = ()
    gensets: tuple[GensetSetpoint, ...] = ()
    pv: tuple[PvSetpoint, ...] = ()
    supplies: tuple[SupplySetpoint, ...] = ()
    energise: tuple[EnergiseSetpoint, ...] = ()
    tie: TieSetpoint | None = None


def joined(one: Setpoints, other: Setpoints) -> Setpoints:
    """Return the commands of both; no device is in both."""
    return Setpoints(
        blocks=(*one.blocks, *other.blocks),
        gensets=(*one.gensets, *other.gensets),
        pv=(*one.pv, *other.pv),
        supplies=(*one.supplies, *other.supplies),
        energise=(*one.energise, *other.energise),
        tie=one.tie if other.tie is None else other.tie,
    )


class Outcome(StrEnum):
    """What became of a write."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOutcome:
    """The end of one write: accepted (read back), refused (by the device), failed (differs), lost (no answer).

    `written_kw` is the power that was written for a power setpoint or limit: what was asked for, or what the
    driver narrowed it to; the detail says why. It is None where nothing was written.
    """

    device_id: str
    outcome: Outcome
    at_s: float
    detail: str = field(default="")
    written_kw: float | None = None
