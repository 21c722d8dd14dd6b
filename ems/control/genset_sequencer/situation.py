"""What the sequencer decides on."""

from dataclasses import dataclass
from datetime import datetime

from ems.control.measurement import Storage
from ems.model.plan import Plan
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.reserve import Assessment, Operation, Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the sequencer decides on; `plan` is None unless it is fresh and followed."""

    site: Site
    snapshot: SiteSnapshot
    plan: Plan | None
    # the same plan, or the rules' own: a source of forecasts
    forecast: Plan | None
    storage: Storage
    load_kw: float
    net_load_kw: float
    operation: Operation
    required: Requirement
    assessments: tuple[Assessment, ...]
    # DEGRADED stops no set
    may_stop: bool = True
    # sets that people have taken, or whose starts and stops wait for them
    held: frozenset[str] = frozenset()
    # sets that people let start in an emergency only, and sets that are to run for a test
    banned: frozenset[str] = frozenset()
    tested: frozenset[str] = frozenset()

    @property
    def now_s(self) -> float:
        """Return the monotonic time of the cycle."""
        return self.snapshot.at_s

    @property
    def utc(self) -> datetime:
        """Return the wall time of the cycle."""
        return self.snapshot.utc
