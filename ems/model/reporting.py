"""What a carbon report needs beside the ledger: factors with their source, what is amortised, contracts, identity."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class FactorUse(StrEnum):
    """What a factor is multiplied with."""

    DIESEL_SCOPE1 = "diesel_scope1"
    DIESEL_WTT = "diesel_wtt"
    GRID_LOCATION = "grid_location"
    GRID_RESIDUAL = "grid_residual"
    GRID_CONTRACT = "grid_contract"
    GRID_UPSTREAM = "grid_upstream"

    @property
    def unit(self) -> str:
        """Return the unit of its values."""
        return "kgCO2e/L" if self.value.startswith("diesel") else "kgCO2e/kWh"


class Boundary(StrEnum):
    """What a factor takes in; factors of different boundaries are never added up or compared."""

    COMBUSTION = "combustion"
    LIFECYCLE = "lifecycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmissionFactor:
    """A factor and everything that an auditor asks of it; valid from the first to the last day, both included.

    `amount_kgco2e` is per litre of fuel or per kWh of electricity, as its use says.
    """

    id: str
    use: FactorUse
    amount_kgco2e: float
    boundary: Boundary
    region: str
    year: int
    source: str
    valid_from: date
    valid_to: date

    def covers(self, first: date, last: date) -> bool:
        """Return whether it is valid on every day of a period."""
        return self.valid_from <= first and last <= self.valid_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Embodied:
    """Emissions of making a plant, spread evenly over its years of use."""

    id: str
    kgco2e: float
    years: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseContract:
    """An instrument of the market-based method: the share of the import that it covers."""

    instrument: str
    matched_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the saving is counted against, per kWh that reaches the IT load."""

    description: str
    cost_per_kwh: float
    gco2e_per_kwh: float
    cooling_share_frac: float | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringPoint:
    """A meter as an auditor asks for it."""

    id: str
    accuracy_class: str
    calibrated: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorUnit:
    """A generator as an auditor asks for it."""

    id: str
    technology: str
    capacity_kw: float
    commissioned: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Who and where; fields that are None are named as missing in the evidence pack."""

    operator: str | None = None
    address: str | None = None
    country: str | None = None
    unlocode: str | None = None
    connection: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Everything of report.toml."""

    factors: tuple[EmissionFactor, ...] = ()
    embodied: tuple[Embodied, ...] = ()
    contract: PurchaseContract | None = None
    baseline: Baseline | None = None
    meters: tuple[MeteringPoint, ...] = ()
    generators: tuple[GeneratorUnit, ...] = ()
    installation: Installation = Installation()
    # category of the measuring point of IT energy after ISO/IEC 30134-2; None: not stated
    pue_category: int | None = None

    def factor(self, use: FactorUse, *, first: date, last: date) -> EmissionFactor | None:
        """Return the factor that covers a whole period, None without one: a report says so, it never guesses."""
        return next((each for each in self.uses(use) if each.covers(first, last)), None)

    def uses(self, use: FactorUse) -> Iterable[EmissionFactor]:
        """Return the factors of a use, newest first."""
        return sorted(
            (each for each in self.factors if each.use is use), key=lambda each: each.valid_from, reverse=True
        )
