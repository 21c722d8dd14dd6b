"""The books of a controller in shadow mode: what it would have saved, per interval and in all.

Three sides: the controller through the model, the site's own course through the same model, the site by its meters.
What is saved is the difference of the first two; the difference of the last two is the error of the model.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from ems.accounting.comparison import (
    Compared,
    Comparison,
    Figures,
    Side,
    Tariffs,
    figures_document,
    figures_of,
    of_meters,
    of_model,
    priced,
    result_of,
)
from ems.accounting.counterfactual import ModelSite, site_document, site_of
from ems.accounting.metering import IntervalMeter, MeteredInterval
from ems.forecast.yearly import YearTable
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.status import QueueStatus
from ems.model.units import SECONDS_PER_HOUR, frac
from ems.runtime.persistence import StateStore
from ems.runtime.prices import SitePrices
from ems.runtime.shadow_report import report_of
from ems.runtime.shadow_site import Courses, ShadowSite
from ems.runtime.writer import WriterThread

REPORT_FILE: Final = "shadow.json"
_DOCUMENT: Final = "shadow"
# an interval in which a source was not known for longer than this share is left out on both sides
_UNKNOWN_FRAC: Final = 0.01
_QUEUE_LENGTH: Final = 1000
_SAVE_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begin:
    """Both courses at the begin of the open interval."""

    model: ModelSite
    own: ModelSite
    unknown_s: float


@dataclass(slots=True, kw_only=True)
class _Sum:
    """What was counted since the begin."""

    since: datetime | None = None
    until: datetime | None = None
    n_intervals: int = 0
    n_left_out: int = 0
    kgco2e_per_kwh: float = 0.0
    controller: Side = field(default_factory=Side)
    own: Side = field(default_factory=Side)
    metered: Side = field(default_factory=Side)


class ShadowBooks:
    """Compares interval by interval; control never waits for its files."""

    def __init__(
        self,
        site: Site,
        shadow: ShadowSite,
        store: StateStore,
        directory: Path,
        *,
        interval_min: int,
        carbon: YearTable | None,
        prices: SitePrices,
    ) -> None:
        self._site = site
        self._shadow = shadow
        self._store = store
        self._directory = directory
        self._carbon = carbon
        self._prices = prices
        self._meter = IntervalMeter(site, interval_min)
        self._begin: _Begin | None = None
        self._sum = _Sum()
        self._newest: tuple[Figures, Figures, Figures] = (Figures(), Figures(), Figures())
        self._saved_s: float | None = None
        self._log = structlog.get_logger("shadow")
        self._writer = WriterThread(self._write, name="shadow-writer", length=_QUEUE_LENGTH)

    def restore(self, *, utc: datetime) -> None:
        """Go on where the last run stopped; a document that is not usable leaves a warning and new books."""
        found = self._store.load(_DOCUMENT)
        if found is None:
            return
        document: Mapping[str, Any] = found[0]
        try:
            total = _sum_of(document["sum"])
            begin = document["begin"]
            opened = _Begin(
                model=site_of(begin["model"]), own=site_of(begin["own"]), unknown_s=float(begin["unknown_s"])
            )
            self._shadow.restore(document["courses"], utc=utc)
            self._meter.restore(document["meter"])
        except (ValueError, TypeError, KeyError) as error:
            self._log.warning("shadow_not_restored", error=str(error))
            return
        self._sum, self._begin = total, opened

    def observe(self, *, at_s: float) -> str | None:
        """See a cycle; return what to tell where an interval has closed."""
        courses = self._shadow.courses()
        if courses is None or courses.model is None or courses.own is None:
            return None
        model, own = courses.model, courses.own
        if self._begin is None:
            self._begin = _Begin(model=model, own=own, unknown_s=courses.unknown_s)
        interval = self._meter.observe(courses.measured, stored_kwh=_stored_kwh(courses.measured))
        text = None
        if interval is not None:
            text = self._close(interval, courses, self._begin)
            self._begin = _Begin(model=model, own=own, unknown_s=courses.unknown_s)
        if interval is not None or self._saved_s is None or at_s - self._saved_s > _SAVE_EVERY_S:
            self._saved_s = at_s
            self._save(courses.measured.utc)
        return text

    def comparison(self) -> Comparison | None:
        """Return what was compared so far, None before the first interval has closed."""
        total = self._sum
        if total.since is None or total.until is None:
            return None
        at, factor = total.since, total.kgco2e_per_kwh / max(1, total.n_intervals)
        controller, own, metered = (
            Compared(side=side, result=result_of(self._site, side, at=at, grid_kgco2e_per_kwh=factor), newest=newest)
            for side, newest in zip((total.controller, total.own, total.metered), self._newest, strict=True)
        )
        return Comparison(
            since_utc=total.since,
            until_utc=total.until,
            n_intervals=total.n_intervals,
            n_left_out=total.n_left_out,
            controller=controller,
            own=own,
            metered=metered,
        )

    def queue(self) -> QueueStatus:
        """Return how full its queue is."""
        return self._writer.status()

    def close(self) -> None:
        """Write what is queued and stop."""
        self._writer.close()

    def _close(self, interval: MeteredInterval, courses: Courses, begin: _Begin) -> str:
        total = self._sum
        length_s = (interval.end_utc - interval.start_utc).total_seconds()
        unknown_s = courses.unknown_s - begin.unknown_s
        span = f"{interval.start_utc:%H:%M} to {interval.end_utc:%H:%M} UTC"
        if courses.model is None or courses.own is None or unknown_s > _UNKNOWN_FRAC * length_s:
            total.n_left_out += 1
            self._hand_over(interval, None, unknown_s=unknown_s)
            return f"{span}: left out, a source was not known for {unknown_s:.0f} s"
        tariffs = self._tariffs(interval.start_utc)
        controller = priced(of_model(begin.model, courses.model), tariffs)
        own = priced(of_model(begin.own, courses.own), tariffs)
        metered = priced(replace(of_meters(interval), n_starts=own.n_starts, run_h=own.run_h), tariffs)
        length_h = length_s / SECONDS_PER_HOUR
        gained_kwh = courses.own.stored_kwh - begin.own.stored_kwh
        by_meter_kwh = gained_kwh
        if interval.stored_kwh is not None and interval.stored_start_kwh is not None:
            by_meter_kwh = interval.stored_kwh - interval.stored_start_kwh
        total.controller = total.controller.plus(
            controller, gained_kwh=courses.model.stored_kwh - begin.model.stored_kwh, duration_h=length_h
        )
        total.own = total.own.plus(own, gained_kwh=gained_kwh, duration_h=length_h)
        total.metered = total.metered.plus(metered, gained_kwh=by_meter_kwh, duration_h=length_h)
        total.n_intervals += 1
        total.kgco2e_per_kwh += tariffs.grid_kgco2e_per_kwh or 0.0
        total.since = total.since or interval.start_utc
        total.until = interval.end_utc
        self._newest = (controller, own, metered)
        self._hand_over(interval, self._newest, unknown_s=unknown_s)
        return self._told(span, controller, own)

    def _told(self, span: str, controller: Figures, own: Figures) -> str:
        comparison = self.comparison()
        if comparison is None:
            return span
        saved, currency = comparison.saved, self._site.economics.currency
        return (
            f"{span}: {own.import_kwh - controller.import_kwh:+.1f} kWh of import and "
            f"{own.fuel_l - controller.fuel_l:+.1f} L of diesel would have been saved; since "
            f"{comparison.since_utc:%Y-%m-%d %H:%M} UTC {saved.cost:+.2f} {currency} and {saved.kgco2e:+.1f} kg CO2e"
        )

    def _tariffs(self, start: datetime) -> Tariffs:
        return Tariffs(
            import_price_per_kwh=self._prices.import_price_per_kwh(start),
            grid_kgco2e_per_kwh=None if self._carbon is None else self._carbon.value("kgco2e_per_kwh", start),
        )

    def _hand_over(
        self, interval: MeteredInterval, sides: tuple[Figures, Figures, Figures] | None, *, unknown_s: float
    ) -> None:
        line: dict[str, object] = {
            "start": interval.start_utc.isoformat(),
            "end": interval.end_utc.isoformat(),
            "unknown_s": round(unknown_s, 1),
            "flags": list(interval.flags),
        }
        names = ("controller", "own", "metered")
        if sides is not None:
            line |= {name: figures_document(each) for name, each in zip(names, sides, strict=True)}
        comparison = self.comparison()
        report = None if comparison is None else report_of(self._site, comparison)
        if not self._writer.offer((line, report)):
            self._log.error("shadow_not_written", error="too many records wait for the disk")

    def _save(self, utc: datetime) -> None:
        courses, begin, meter = self._shadow.document(utc=utc), self._begin, self._meter.document()
        if courses is None or begin is None or meter is None:
            return
        opened = {
            "model": site_document(begin.model),
            "own": site_document(begin.own),
            "unknown_s": begin.unknown_s,
        }
        document: dict[str, object] = {
            "sum": _sum_document(self._sum),
            "begin": opened,
            "courses": courses,
            "meter": meter,
        }
        self._store.save(_DOCUMENT, document, utc=utc)

    def _write(self, item: tuple[dict[str, object], dict[str, object] | None]) -> None:
        line, report = item
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            file = self._directory / f"intervals-{str(line['start'])[:10]}.jsonl"
            with file.open("a", encoding="utf-8") as opened:
                opened.write(json.dumps(line, separators=(",", ":")) + "\n")
                opened.flush()
                os.fsync(opened.fileno())
            if report is not None:
                fresh = self._directory / f"{REPORT_FILE}.new"
                fresh.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
                fresh.replace(self._directory / REPORT_FILE)
        except OSError as error:
            self._log.warning("shadow_not_written", error=str(error))


def _stored_kwh(measured: SiteSnapshot) -> float | None:
    known = [
        frac(block.soc_pct) * block.full_kwh
        for block in measured.blocks
        if block.soc_pct is not None and block.full_kwh is not None
    ]
    return sum(known) if len(known) == len(measured.blocks) else None


def _sum_document(total: _Sum) -> dict[str, object]:
    return {
        "since": None if total.since is None else total.since.isoformat(),
        "until": None if total.until is None else total.until.isoformat(),
        "n_intervals": total.n_intervals,
        "n_left_out": total.n_left_out,
        "kgco2e_per_kwh": total.kgco2e_per_kwh,
        **{name: _side_document(getattr(total, name)) for name in ("controller", "own", "metered")},
    }


def _sum_of(document: Mapping[str, Any]) -> _Sum:
    since, until = (datetime.fromisoformat(text) if (text := document[name]) else None for name in ("since", "until"))
    return _Sum(
        since=since,
        until=until,
        n_intervals=int(document["n_intervals"]),
        n_left_out=int(document["n_left_out"]),
        kgco2e_per_kwh=float(document["kgco2e_per_kwh"]),
        controller=_side_of(document["controller"]),
        own=_side_of(document["own"]),
        metered=_side_of(document["metered"]),
    )


def _side_document(side: Side) -> dict[str, object]:
    return {**figures_document(side.figures), "peak_kw": side.peak_kw, "gained_kwh": side.gained_kwh}


def _side_of(document: Mapping[str, Any]) -> Side:
    return Side(
        figures=figures_of(document),
        peak_kw=float(document["peak_kw"]),
        gained_kwh=float(document["gained_kwh"]),
    )
