"""Limits that people set for a time: they only narrow what the configuration allows, and end by themselves."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One command that narrows. None, and False: it says nothing of that.

    `assets` are the AC blocks or gensets that it speaks of; `charge_kw` and `discharge_kw` hold for each of these
    blocks, `bans_starts`, `tests` and `out_of_service` for each of these units. `start_utc` None: it has begun.
    """

    id: str
    issuer: str
    until_utc: datetime
    start_utc: datetime | None = None
    assets: frozenset[str] = frozenset()
    import_kw: float | None = None
    export_kw: float | None = None
    soc_floor_pct: float | None = None
    charge_kw: float | None = None
    discharge_kw: float | None = None
    bans_starts: bool = False
    tests: bool = False
    out_of_service: bool = False

    def holds_at(self, utc: datetime) -> bool:
        """Return whether it holds at an instant."""
        return (self.start_utc is None or self.start_utc <= utc) and utc < self.until_utc


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteBounds:
    """The tightest of several bounds for the connection and the store of the whole site; None: no limit."""

    import_kw: float | None = None
    export_kw: float | None = None
    soc_floor_pct: float | None = None


def tightest(bounds: tuple[Bound, ...], utc: datetime) -> SiteBounds:
    """Return what the bounds that hold at an instant leave together."""
    now = [bound for bound in bounds if bound.holds_at(utc)]
    return SiteBounds(
        import_kw=min((each.import_kw for each in now if each.import_kw is not None), default=None),
        export_kw=min((each.export_kw for each in now if each.export_kw is not None), default=None),
        soc_floor_pct=max((each.soc_floor_pct for each in now if each.soc_floor_pct is not None), default=None),
    )
