"""Reserve formulas that planning, control and readiness share: requirements, holdings, energy and SoC floor.

Pure arithmetic on plain values; no site, no snapshot. Response classes: R0 within 100 ms (storage and grid
only), R1 within 10 s (running sets too), R2 within 120 s (sets that start too), and the same downwards within 100 ms
and 10 s. Control watches R0, R1 and the first one downwards each second; the others are planned only. Equations:
docs/formulation.md section 5.
"""

from ems.reserve.contingencies import assess
from ems.reserve.energy import checkpoint_kwh, gap_kwh, lead_kwh, lead_time_s, reserve_kwh
from ems.reserve.floor import soc_floor_pct
from ems.reserve.headroom import down_headroom_kw, up_headroom_kw
from ems.reserve.operation import GensetUnit, GridUnit, GroupLimit, Operation, PvUnit, RestingSets, StorageUnit
from ems.reserve.requirements import (
    NO_LOSS,
    R2_WITHIN_S,
    UP_CLASSES,
    WATCHED,
    Assessment,
    ClassRequirement,
    Requirement,
    ReserveId,
)
from ems.reserve.starts import start_failures
from ems.reserve.stopping import set_is_needed, sets_are_needed, short_without_set, without_set
from ems.reserve.variation import pv_drop_frac, requirement, variation_kw

__all__ = [
    "NO_LOSS",
    "R2_WITHIN_S",
    "UP_CLASSES",
    "WATCHED",
    "Assessment",
    "ClassRequirement",
    "GensetUnit",
    "GridUnit",
    "GroupLimit",
    "Operation",
    "PvUnit",
    "Requirement",
    "ReserveId",
    "RestingSets",
    "StorageUnit",
    "assess",
    "checkpoint_kwh",
    "down_headroom_kw",
    "gap_kwh",
    "lead_kwh",
    "lead_time_s",
    "pv_drop_frac",
    "requirement",
    "reserve_kwh",
    "set_is_needed",
    "sets_are_needed",
    "short_without_set",
    "soc_floor_pct",
    "start_failures",
    "up_headroom_kw",
    "variation_kw",
    "without_set",
]
