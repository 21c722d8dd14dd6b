"""Counts that a run keeps about itself: floor, reserve, gensets, guard. The same in the daemon and in studies."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from ems.control.state import Mode
from ems.model.setpoints import Cause
from ems.model.site import Site
from ems.model.status import RunCounts
from ems.model.units import hours
from ems.runtime.clip_watch import ClipWatch
from ems.runtime.cycle import CycleRecord
from ems.runtime.prices import SitePrices
from ems.runtime.smoothing import SmoothingBook

# SoC below the floor by less than this is the resolution of the measurement
_FLOOR_TOLERANCE_PCT = 0.25
# a margin counts as short beyond the noise of the meters
_SHORT_KW = 1.0


@dataclass(slots=True)
class RunStatistics:
    """Add every cycle with `add`; times are hours of the run."""

    site: Site
    n_ticks: int = 0
    n_clipped_ticks: int = 0
    clips: Counter[str] = field(default_factory=Counter)
    clips_by_asset: Counter[str] = field(default_factory=Counter)
    clip_watch: ClipWatch = field(default_factory=ClipWatch)
    soc_min_pct: float | None = None
    soc_start_pct: float | None = None
    soc_end_pct: float | None = None
    floor_violation_h: float = 0.0
    reserve_shortfall_h: float = 0.0
    reserve_binding_h: float = 0.0
    margin_min_kw: dict[str, float] = field(default_factory=dict)
    genset_band_h: float = 0.0
    genset_loaded_h: float = 0.0
    starts_above_threshold: int = 0
    starts: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)
    mode_h: dict[str, float] = field(default_factory=dict)
    shortfalls: Counter[str] = field(default_factory=Counter)
    # what an imported kWh costs at an instant; None: as the contract has it
    price_per_kwh: Callable[[datetime], float | None] | None = None
    smoothing: SmoothingBook = field(init=False)

    def __post_init__(self) -> None:
        self.smoothing = SmoothingBook(self.site)
        if self.price_per_kwh is None:
            self.price_per_kwh = SitePrices(self.site).import_price_per_kwh

    def add(self, record: CycleRecord) -> None:
        """Count one cycle."""
        decision, duration_h = record.decision, hours(record.dt_s)
        self.n_ticks += 1
        mode = decision.state.mode.value
        self.mode_h[mode] = self.mode_h.get(mode, 0.0) + duration_h
        self.clip_watch.add(decision.clips, now_s=record.snapshot.at_s)
        if decision.clips:
            self.n_clipped_ticks += 1
            self.clips.update(clip.rule.value for clip in decision.clips)
            self.clips_by_asset.update(f"{clip.rule.value} {clip.asset_id}" for clip in decision.clips)
        if self.price_per_kwh is not None and decision.lead is not None:
            self.smoothing.add(decision, dt_s=record.dt_s, price_per_kwh=self.price_per_kwh(record.snapshot.utc))
        self._add_storage(record, duration_h)
        self._add_reserve(record, duration_h)
        self._add_gensets(record, duration_h)

    @property
    def genset_band_share_frac(self) -> float | None:
        """Return the share of loaded hours inside the economic band, None without any."""
        return self.genset_band_h / self.genset_loaded_h if self.genset_loaded_h > 0.0 else None

    def counts(self) -> RunCounts:
        """Return the counts so far."""
        return RunCounts(
            n_ticks=self.n_ticks,
            n_clipped_ticks=self.n_clipped_ticks,
            clips=dict(sorted(self.clips.items())),
            clips_by_asset=dict(sorted(self.clips_by_asset.items())),
            recent_clips_frac=self.clip_watch.shares_frac(),
            floor_violation_h=self.floor_violation_h,
            reserve_shortfall_h=self.reserve_shortfall_h,
            reserve_binding_h=self.reserve_binding_h,
            shortfalls=dict(self.shortfalls),
            margin_min_kw=dict(self.margin_min_kw),
            soc_start_pct=self.soc_start_pct,
            soc_min_pct=self.soc_min_pct,
            soc_end_pct=self.soc_end_pct,
            n_starts_above_threshold=self.starts_above_threshold,
            genset_band_share_frac=self.genset_band_share_frac,
            mode_h={mode: round(duration, 3) for mode, duration in sorted(self.mode_h.items())},
            smoothing=self.smoothing.counts(),
            starts_by_cause=dict(sorted((+self.starts).items())),
            stops_by_cause=dict(sorted((+self.stops).items())),
        )

    def _add_storage(self, record: CycleRecord, duration_h: float) -> None:
        storage = record.decision.storage
        if storage is None:
            return
        if self.soc_start_pct is None:
            self.soc_start_pct = storage.soc_pct
        self.soc_end_pct = storage.soc_pct
        lowest = storage.soc_pct if self.soc_min_pct is None else min(self.soc_min_pct, storage.soc_pct)
        self.soc_min_pct = lowest
        if storage.soc_pct < storage.floor_pct - _FLOOR_TOLERANCE_PCT:
            self.floor_violation_h += duration_h

    def _add_reserve(self, record: CycleRecord, duration_h: float) -> None:
        decision = record.decision
        if decision.state.mode is Mode.INIT:
            return
        short = False
        for item in decision.assessments:
            name = item.id.value
            self.margin_min_kw[name] = min(self.margin_min_kw.get(name, item.margin_kw), item.margin_kw)
            if item.margin_kw < -_SHORT_KW:
                short = True
                self.shortfalls[f"{name}: {item.contingency}"] += 1
        self.reserve_shortfall_h += duration_h if short else 0.0
        self.reserve_binding_h += duration_h if decision.held_on_by_reserve else 0.0

    def _add_gensets(self, record: CycleRecord, duration_h: float) -> None:
        states = {genset.id: genset for genset in record.snapshot.gensets}
        for kind in self.site.gensets:
            for unit in kind.unit_ids:
                genset = states[unit]
                if not genset.carries or genset.power_kw is None:
                    continue
                self.genset_loaded_h += duration_h
                if kind.in_band(genset.power_kw):
                    self.genset_band_h += duration_h
        for reason in record.decision.reasons:
            self.starts[reason.cause.value] += reason.text.startswith("start ")
            self.stops[reason.cause.value] += reason.text.startswith("stop ")
        storage = record.decision.storage
        if storage is None:
            return
        threshold = storage.floor_pct + self.site.control.soc_start_above_floor_pct
        if storage.soc_pct > threshold:
            self.starts_above_threshold += sum(
                reason.cause is Cause.PLAN and reason.text.startswith("start ") for reason in record.decision.reasons
            )
