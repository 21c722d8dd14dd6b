"""Metered energy per accounting interval, from the cumulative counters of the site's meters.

Counters survive missed polls and accelerated runs; powers are not integrated. An interval whose counter was not
read, or ran backwards, is flagged, never filled in silently.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite

from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.timegrid import clock_floor


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredInterval:
    """Energies of one interval in Wh: sources into the bus, storage both ways, loads; diesel in litres.

    `stored_start_kwh` and `stored_kwh` are in the cells at its start and its end, None where unknown. `meters` has what
    each meter counted, by quantity (`pv_wh`, `fuel_ml`) and unit, in whole Wh and ml.
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
    meters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


# a boundary read later than this share of an interval shifts energy between two records: both say so
_LATE_FRAC = 0.1
# after a restart a boundary waits for the first readings, counted in limits of slow values
_FIRST_READ_SLOW_LIMITS = 2.0
_ML_PER_L = 1000.0


@dataclass(slots=True)
class IntervalMeter:
    """Watches counters and closes intervals on the clock."""

    site: Site
    interval_min: int
    _start: datetime | None = None
    _at_start: dict[str, float] = field(default_factory=dict)
    _latest: dict[str, float] = field(default_factory=dict)
    _stored_start_kwh: float | None = None
    # what the open interval will have to say of itself, each once
    _flags: dict[str, None] = field(default_factory=dict)
    # counters of a restored interval that this run has not read yet, and until when a boundary waits for them
    _unheard: set[str] = field(default_factory=set)
    _wait_until: datetime | None = None

    def observe(self, snapshot: SiteSnapshot, *, stored_kwh: float | None) -> MeteredInterval | None:
        """Take a snapshot; return the interval that has just ended, if any.

        The first interval after a start begins at the first snapshot, not at the clock, unless one was restored.
        """
        now = snapshot.utc
        seen = {name: value for name, value in _counters(snapshot) if value is not None}
        if self._start is None:
            self._open(now, seen, stored_kwh)
            return None
        self._take(seen)
        if now < self._start:
            self._flags["the clock went back"] = None
        # the first snapshot at or after a boundary closes the interval
        end = clock_floor(now, self.interval_min)
        if end <= self._start or self._waits(now):
            return None
        late_s = (now - end).total_seconds()
        late = late_s > _LATE_FRAC * 60.0 * self.interval_min
        if late:
            self._flags[f"the end was read {late_s:.0f} s late"] = None
        closed = self._close(end, fresh=seen.keys(), stored_kwh=stored_kwh)
        expected = set(counter_names(self.site))
        self._open(end, {name: value for name, value in self._latest.items() if name in expected}, stored_kwh)
        if late:
            self._flags[f"the begin was read {late_s:.0f} s late"] = None
        return closed

    def flag(self, text: str) -> None:
        """Flag the open interval."""
        self._flags[text] = None

    def document(self) -> dict[str, object] | None:
        """Return the open interval for a restart, ready for JSON; None before the first snapshot."""
        if self._start is None:
            return None
        return {
            "start": self._start.isoformat(),
            "at_start": dict(self._at_start),
            "latest": dict(self._latest),
            "stored_start_kwh": self._stored_start_kwh,
            "flags": list(self._flags),
        }

    def restore(self, document: Mapping[str, object]) -> None:
        """Go on with an interval of `document()`: cumulative counters make it whole, whatever the pause.

        Raises:
            ValueError, TypeError, KeyError: It is not one; nothing is changed.
        """
        start, flags = datetime.fromisoformat(str(document["start"])), document["flags"]
        if start.tzinfo is None:
            raise ValueError("the start of the open interval has no time zone")
        if not isinstance(flags, list):
            raise TypeError("the flags of the open interval are no list")
        at_start, latest = _values(document["at_start"]), _values(document["latest"])
        stored = document["stored_start_kwh"]
        stored_kwh = None if stored is None else _number(stored)
        self._start, self._at_start, self._latest, self._stored_start_kwh = start, at_start, latest, stored_kwh
        self._flags = dict.fromkeys(str(flag) for flag in flags)
        self._unheard = latest.keys() & set(counter_names(self.site))
        self._wait_until = None

    def _open(self, start: datetime, counters: Mapping[str, float], stored_kwh: float | None) -> None:
        self._start, self._at_start, self._latest = start, dict(counters), dict(counters)
        self._stored_start_kwh = stored_kwh
        self._flags, self._unheard = {}, set()

    def _take(self, seen: Mapping[str, float]) -> None:
        for name, value in seen.items():
            if value < self._latest.get(name, value):
                self._flags[f"counter ran backwards: {name}"] = None
        self._latest |= seen
        self._unheard -= seen.keys()

    def _waits(self, now: datetime) -> bool:
        """Return whether counters that were known before a restart may still come within their usual time."""
        if not self._unheard:
            return False
        if self._wait_until is None:
            self._wait_until = now + timedelta(seconds=_FIRST_READ_SLOW_LIMITS * self.site.control.stale_slow_s)
        return now < self._wait_until

    def _close(self, end: datetime, *, fresh: Collection[str], stored_kwh: float | None) -> MeteredInterval:
        start = self._start or end
        flags = dict(self._flags)
        length_min = (end - start).total_seconds() / 60.0
        if length_min > self.interval_min:
            flags[f"nothing was closed for {length_min:.0f} min"] = None
        for name in counter_names(self.site):
            if name not in self._latest:
                flags[f"counter never read: {name}"] = None
        for name in self._latest:
            if name not in self._at_start:
                flags[f"counter appeared: {name}"] = None
            if name not in fresh:
                flags[f"counter not read at the end: {name}"] = None
        meters = self._counted()
        totals = {quantity: sum(found.values()) for quantity, found in meters.items()}
        return MeteredInterval(
            start_utc=start,
            end_utc=end,
            stored_start_kwh=self._stored_start_kwh,
            stored_kwh=stored_kwh,
            fuel_l=totals.get("fuel_ml", 0) / _ML_PER_L,
            flags=tuple(flags),
            meters=meters,
            **{name: totals.get(name, 0) for name in _ENERGIES},
        )

    def _counted(self) -> dict[str, dict[str, int]]:
        """Return what each meter counted; its readings are cut to whole units, so that intervals add up to them."""
        meters: dict[str, dict[str, int]] = {}
        for name, value in self._latest.items():
            quantity, _, unit = name.partition(":")
            scale = 1.0
            if quantity == "fuel_l":
                quantity, scale = "fuel_ml", _ML_PER_L
            begun = self._at_start.get(name, value)
            meters.setdefault(quantity, {})[unit] = max(0, int(value * scale) - int(begun * scale))
        return meters


def counter_names(site: Site) -> tuple[str, ...]:
    """Return every counter that the site's meters should have, as `<quantity>:<meter>`."""
    pv = [f"pv_wh:{block}" for plant in site.pv for block in plant.block_ids]
    gensets = [
        f"{quantity}:{unit}" for kind in site.gensets for unit in kind.unit_ids for quantity in ("genset_wh", "fuel_l")
    ]
    blocks = [
        f"{quantity}:{block.id}"
        for pool in site.batteries
        for block in pool.blocks
        for quantity in ("discharge_wh", "charge_wh")
    ]
    pcc = [] if site.grid is None else ["import_wh:pcc", "export_wh:pcc"]
    return (*pv, *gensets, *blocks, *pcc, "it_wh:it", "cooling_wh:cooling", "aux_wh:aux")


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


def _values(document: object) -> dict[str, float]:
    if not isinstance(document, dict):
        raise TypeError("the counters of the open interval are no object")
    return {str(name): _number(value) for name, value in document.items()}


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return value
