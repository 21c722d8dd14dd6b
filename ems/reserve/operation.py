"""What is in operation at one instant: the units of a site and what each could deliver.

Plain values; no site, no snapshot.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageUnit:
    """A block that forms the grid, or could at once; `usable_kwh` lies above the technical minimum."""

    id: str
    member: str
    power_kw: float
    max_discharge_kw: float
    max_charge_kw: float
    usable_kwh: float
    room_kwh: float
    charge_eff_frac: float
    discharge_eff_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetUnit:
    """A set that runs with its breaker closed."""

    id: str
    member: str
    power_kw: float
    max_kw: float
    min_kw: float
    step_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PvUnit:
    """A PV block and what it could deliver."""

    id: str
    member: str
    power_kw: float
    available_kw: float
    frequency_watt_credit_frac: float
    # 0.1 quantile of what is available: how far curtailed power counts where it counts at all
    certain_kw: float = 0.0
    # what flows from it into its groups, where plants are not curtailed alike; None: `power_kw`
    flow_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingSets:
    """Available sets of a class that do not run, and how many of them may fail to start."""

    member: str
    n_sets: int
    n_failures: int
    max_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GridUnit:
    """A closed grid connection."""

    import_kw: float
    import_limit_kw: float
    export_limit_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimit:
    """A transformer, collector or feeder: what passes it of its members' power, either way.

    Members of groups are the same, or lie within each other, or have nothing in common, as in a radial network; `grid`
    stands for the connection.
    """

    members: frozenset[str]
    limit_kw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The units in operation at one instant, and the largest load block that may vanish."""

    storage: tuple[StorageUnit, ...]
    gensets: tuple[GensetUnit, ...]
    pv: tuple[PvUnit, ...]
    grid: GridUnit | None
    largest_load_block_kw: float
    resting: tuple[RestingSets, ...] = ()
    groups: tuple[GroupLimit, ...] = ()
