"""What the daemon learns for its forecasts: quarter-hour records, errors, and how well the models fit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf

from ems.errors import ConfigError
from ems.forecast.load import LoadRecord
from ems.forecast.outlook import Measured, PvBasis, compose_outlook
from ems.forecast.score import ErrorRecord
from ems.forecast.weather import climatology, usable_issue
from ems.forecast.yearly import YearTable
from ems.model.condition import Outlook
from ems.model.forecast import WeatherForecast
from ems.model.pv import PvPlant
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from ems.model.timegrid import clock_floor
from ems.thermal.container import resting_aux_kw
from ems.thermal.plant import cooling_power

# forecasts below this share of rating (night, dawn) teach nothing about PV
_LEAST_PV_FRAC = 0.03
# the models of cooling and auxiliaries are corrected over some hours, within limits
_RATIO_WEIGHT = 0.05
_COOLING_RANGE_FRAC = (0.5, 2.0)
# the containers' own cooling can be several times their idle consumption
_AUX_RANGE_FRAC = (0.1, 10.0)

# gives the newest issue of a weather provider, None without one; raises ConfigError for one that is not readable
WeatherSource = Callable[[datetime], WeatherForecast | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Climate:
    """The typical year of the site, and carbon intensity where there is a grid."""

    irradiance: YearTable
    air: YearTable
    carbon: YearTable | None
    max_age_h: float
    season_h: float
    history_h: float


@dataclass(slots=True)
class _Mean:
    """A mean that is filled during a quarter; None when nothing was known."""

    total: float = 0.0
    weight_s: float = 0.0

    def add(self, value: float | None, dt_s: float) -> None:
        if value is not None:
            self.total += value * dt_s
            self.weight_s += dt_s

    def value(self) -> float | None:
        return self.total / self.weight_s if self.weight_s > 0.0 else None


class ForecastMemory:
    """Records of load and PV and the errors of past forecasts."""

    def __init__(self, site: Site, climate: Climate) -> None:
        self._site = site
        self._climate = climate
        self.load_record = LoadRecord(history_h=climate.history_h)
        self.load_errors = ErrorRecord()
        self.pv_errors = {plant.id: ErrorRecord() for plant in site.pv}
        self._quarter: datetime | None = None
        self._last_s: float | None = None
        self._it = _Mean()
        self._pv = {plant.id: _Mean() for plant in site.pv}
        self._cooling_ratio = 1.0
        self._aux_ratio = 1.0
        self._fitted = False
        self._unsaved = False
        self._now: SiteSnapshot | None = None

    def observe(self, snapshot: SiteSnapshot) -> None:
        """Take one cycle's measurements."""
        start = clock_floor(snapshot.utc, 15)
        if self._quarter is not None and start != self._quarter:
            self._close(self._quarter)
            self._unsaved = True
        self._quarter = start
        dt_s = 1.0 if self._last_s is None else max(0.0, snapshot.at_s - self._last_s)
        self._last_s = snapshot.at_s
        self._now = snapshot
        self._it.add(snapshot.it.load_kw, dt_s)
        for plant in self._site.pv:
            self._pv[plant.id].add(_available(snapshot, plant), dt_s)
        if not self._fitted:
            # the first complete image sets the ratios, later ones only move them
            self._learn(snapshot, weight=1.0)

    def unsaved_document(self) -> dict[str, object] | None:
        """Return the document once after each quarter hour that has ended, else None: it is too long for every save."""
        if not self._unsaved:
            return None
        self._unsaved = False
        return self.document()

    def document(self) -> dict[str, object]:
        """Return what has been learnt, ready for JSON; bounded by the history and the number of kept errors."""
        end = self.load_record.end_utc
        return {
            "load_end": None if end is None else end.isoformat(),
            "load_kw": [None if kw is None else round(kw, 2) for kw in self.load_record.values()],
            "load_errors": self.load_errors.document(),
            "pv_errors": {plant: record.document() for plant, record in self.pv_errors.items()},
            "cooling_ratio_frac": self._cooling_ratio,
            "aux_ratio_frac": self._aux_ratio,
            "fitted": self._fitted,
        }

    def restore(self, document: Mapping[str, object], *, now: datetime) -> None:
        """Go on with what a document of `document()` has learnt; plants that it does not know begin anew.

        Raises:
            ValueError, TypeError, KeyError, IndexError: It is not one, or it is of a time after `now`; nothing is
                changed.
        """
        text, values, pv = document["load_end"], document["load_kw"], document["pv_errors"]
        if not isinstance(values, list) or not isinstance(pv, dict):
            raise TypeError("not the document of a forecast memory")
        load_kw = [None if kw is None else _within(kw, (0.0, inf)) for kw in values]
        end = None if text is None else datetime.fromisoformat(str(text))
        if end is not None and end > now:
            raise ValueError(f"it ends at {end}, after the present {now}")
        load_errors = ErrorRecord.restored(_object(document["load_errors"]))
        pv_errors = {plant: ErrorRecord.restored(_object(pv[plant])) for plant in self.pv_errors if plant in pv}
        cooling_ratio = _within(document["cooling_ratio_frac"], _COOLING_RANGE_FRAC)
        aux_ratio = _within(document["aux_ratio_frac"], _AUX_RANGE_FRAC)
        fitted = bool(document["fitted"])
        if end is not None:
            self.load_record.restore(load_kw, end=end)
        self.load_errors = load_errors
        self.pv_errors |= pv_errors
        self._cooling_ratio, self._aux_ratio, self._fitted = cooling_ratio, aux_ratio, fitted

    def outlook(self, basis: PvBasis, now: datetime) -> Outlook:
        """Return the outlook for a plan, and remember it to be judged later."""
        snapshot = self._now
        measured = Measured(
            pv_available_kw={}
            if snapshot is None
            else {plant.id: _available(snapshot, plant) for plant in self._site.pv},
            it_kw=None if snapshot is None else snapshot.it.load_kw,
            cooling_ratio_frac=self._cooling_ratio,
            aux_ratio_frac=self._aux_ratio,
        )
        outlook = compose_outlook(
            self._site,
            now=now,
            basis=basis,
            measured=measured,
            load_record=self.load_record,
            load_errors=self.load_errors,
            pv_errors=self.pv_errors,
            carbon=self._climate.carbon,
            season_h=self._climate.season_h,
        )
        self.load_errors.remember(outlook.it.p50_kw, now=now)
        for plant, forecast in zip(self._site.pv, outlook.pv, strict=True):
            # near leads are judged with the nowcast in them, as they were used
            self.pv_errors[plant.id].remember(forecast.p50_kw, now=now)
        return outlook

    def _close(self, quarter: datetime) -> None:
        it_kw = self._it.value()
        self.load_record.add(quarter, it_kw)
        self.load_errors.observe(quarter, it_kw, least=1.0)
        for plant in self._site.pv:
            least = _LEAST_PV_FRAC * plant.total_ac_kw
            self.pv_errors[plant.id].observe(quarter, self._pv[plant.id].value(), least=least)
        self._it = _Mean()
        self._pv = {plant.id: _Mean() for plant in self._site.pv}
        if self._now is not None:
            self._learn(self._now, weight=_RATIO_WEIGHT)

    def _learn(self, snapshot: SiteSnapshot, *, weight: float) -> None:
        """Move the models of cooling and auxiliaries towards what is measured."""
        it_kw, ambient = snapshot.it.load_kw, snapshot.cooling.ambient_degc
        if it_kw is None or it_kw <= 0.0:
            return
        cooling_kw, aux_kw = snapshot.cooling_load.load_kw, snapshot.aux.load_kw
        if cooling_kw is not None and ambient is not None:
            model_kw = cooling_power(self._site.cooling, it_kw=it_kw, ambient_degc=ambient).load_kw
            self._cooling_ratio = _towards(
                self._cooling_ratio, cooling_kw / model_kw, limits=_COOLING_RANGE_FRAC, weight=weight
            )
            self._fitted = True
        aux_model_kw = self._site.auxiliaries.constant_kw + resting_aux_kw(self._site.batteries, ambient_degc=ambient)
        if aux_kw is not None and aux_model_kw > 0.0:
            rest_kw = max(0.0, aux_kw - self._site.auxiliaries.frac_of_it * it_kw)
            self._aux_ratio = _towards(self._aux_ratio, rest_kw / aux_model_kw, limits=_AUX_RANGE_FRAC, weight=weight)


def choose_weather(
    site: Site, climate: Climate, source: WeatherSource, now: datetime
) -> tuple[WeatherForecast, str | None]:
    """Return the provider's issue, else the typical year's mean, and what was wrong with the issue."""
    horizon_h = site.planning.shape.horizon_h + 1.0
    trouble = None
    issue = None
    try:
        issue = source(now)
    except ConfigError as error:
        trouble = f"the weather forecast cannot be read: {error}"
    usable = usable_issue(issue, now_utc=now, horizon_h=horizon_h, max_age_h=climate.max_age_h)
    if usable is not None:
        return usable, None
    if trouble is None:
        trouble = (
            "there is no weather forecast"
            if issue is None
            else f"the weather forecast of {issue.issued_utc} is too old"
        )
    return climatology(climate.irradiance, climate.air, now_utc=now, horizon_h=horizon_h + 1.0), trouble


def _available(snapshot: SiteSnapshot, plant: PvPlant) -> float | None:
    """Return what a plant could deliver now; None unless most blocks are known (the others are scaled up)."""
    states = {state.id: state for state in snapshot.pv}
    known = [value for block in plant.block_ids if (value := states[block].available_kw) is not None]
    if 2 * len(known) < plant.n_blocks or not known:
        return None
    return sum(known) * plant.n_blocks / len(known)


def _towards(ratio: float, seen: float, *, limits: tuple[float, float], weight: float) -> float:
    low, high = limits
    # the outer pair catches the rounding of the sum
    return min(high, max(low, ratio + weight * (min(high, max(low, seen)) - ratio)))


def _object(document: object) -> Mapping[str, object]:
    if not isinstance(document, dict):
        raise TypeError("a part of the forecast memory is no object")
    return document


def _within(value: object, limits: tuple[float, float]) -> float:
    """Return a restored number; NaN is within no limits."""
    low, high = limits
    if isinstance(value, bool) or not isinstance(value, int | float) or not (low <= value <= high and value < inf):
        raise ValueError(f"{value!r} is no number from {low:g} to {high:g}")
    return float(value)
