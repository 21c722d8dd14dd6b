"""Metered energy per accounting interval, from the cumulative counters of the site's meters.

Counters survive missed polls and accelerated runs; powers are not integrated. An interval whose counter was not
read, or ran backwards, is flagged, never filled in silently.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredInterval:
    """Energies of one interval in Wh: sources into the bus, storage both ways, loads; diesel in litres.

    `stored_start_kwh` and `stored_kwh` are in the cells at its start and its end, None where unknown.
    """

    start_utc: datetime
    end_utc: datetime
    pv_wh: int
    genset_wh: int
    import_wh: int
    export_wh: int
    discharge_wh: int
    charge_wh: int
    it_wh: int
    cooling_wh: int
    aux_wh: int
    fuel_l: float
    stored_start_kwh: float | None
    stored_kwh: float | None
    flags: tuple[str, ...]


@dataclass(slots=True)
class IntervalMeter:
    """Watches counters and closes intervals on the clock."""

    site: Site
    interval_min: int
    _start: datetime | None = None
    _at_start: dict[str, float] = field(default_factory=dict)
    _latest: dict[str, float] = field(default_factory=dict)
    _stored_start_kwh: float | None = None

    def observe(self, snapshot: SiteSnapshot, *, stored_kwh: float | None) -> MeteredInterval | None:
        """Take a snapshot; return the interval that has just ended, if any.

        The first interval after a start begins at the first snapshot, not at the clock.
        """
        now = snapshot.utc
        seen = {name: value for name, value in _counters(snapshot) if value is not None}
        if self._start is None:
            self._start, self._at_start, self._latest = now, dict(seen), dict(seen)
            self._stored_start_kwh = stored_kwh
            return None
        self._latest |= seen
        # the first snapshot at or after a boundary closes the interval
        end = _floor(now, self.interval_min)
        if end <= self._start:
            return None
        closed = self._close(end, fresh=seen.keys(), stored_kwh=stored_kwh)
        self._start, self._at_start, self._stored_start_kwh = end, dict(self._latest), stored_kwh
        return closed

    def _close(self, end: datetime, *, fresh: Collection[str], stored_kwh: float | None) -> MeteredInterval:
        flags: list[str] = []
        totals: dict[str, float] = {}
        for name, value in self._latest.items():
            kind = name.partition(":")[0]
            delta = value - self._at_start.get(name, value)
            if delta < 0.0:
                flags.append(f"counter ran backwards: {name}")
                delta = 0.0
            if name not in self._at_start:
                flags.append(f"counter appeared: {name}")
            if name not in fresh:
                flags.append(f"counter not read at the end: {name}")
            totals[kind] = totals.get(kind, 0.0) + delta
        return MeteredInterval(
            start_utc=self._start or end,
            end_utc=end,
            stored_start_kwh=self._stored_start_kwh,
            stored_kwh=stored_kwh,
            fuel_l=totals.get("fuel_l", 0.0),
            flags=tuple(flags),
            **{name: int(totals.get(name, 0.0)) for name in _ENERGIES},
        )


_ENERGIES = (
    "pv_wh",
    "genset_wh",
    "import_wh",
    "export_wh",
    "discharge_wh",
    "charge_wh",
    "it_wh",
    "cooling_wh",
    "aux_wh",
)


def _counters(snapshot: SiteSnapshot) -> Iterator[tuple[str, float | None]]:
    """Yield every counter under `<quantity>:<meter>`."""
    for pv in snapshot.pv:
        yield f"pv_wh:{pv.id}", pv.energy_wh
    for genset in snapshot.gensets:
        yield f"genset_wh:{genset.id}", genset.energy_wh
        yield f"fuel_l:{genset.id}", genset.fuel_used_l
    for block in snapshot.blocks:
        yield f"discharge_wh:{block.id}", block.discharge_wh
        yield f"charge_wh:{block.id}", block.charge_wh
    if snapshot.pcc is not None:
        yield "import_wh:pcc", snapshot.pcc.import_wh
        yield "export_wh:pcc", snapshot.pcc.export_wh
    for name, load in (("it", snapshot.it), ("cooling", snapshot.cooling_load), ("aux", snapshot.aux)):
        yield f"{name}_wh:{name}", load.energy_wh


def _floor(instant: datetime, interval_min: int) -> datetime:
    return instant - timedelta(
        minutes=instant.minute % interval_min, seconds=instant.second, microseconds=instant.microsecond
    )
