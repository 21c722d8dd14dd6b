"""How wrong forecasts were: rolling relative errors per lead time, and the quantiles they give."""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Self

from ems.model.forecast import EvenSeries
from ems.model.timegrid import clock_floor

LEADS_H = (1.0, 3.0, 6.0, 12.0, 24.0, 48.0)
_QUARTER = timedelta(minutes=15)
_KEPT = 30 * 96
# quantiles need some experience: before that the cold start of the configuration counts
_LEAST = 96
# a kept error has this many digits: a hundredth of a percent
_DIGITS = 4


class ErrorRecord:
    """Relative errors (actual / forecast - 1) of one quantity, by lead time."""

    def __init__(self) -> None:
        self._errors: dict[float, deque[float]] = {lead: deque(maxlen=_KEPT) for lead in LEADS_H}
        self._expected: dict[datetime, dict[float, float]] = {}

    def remember(self, forecast: EvenSeries, *, now: datetime) -> None:
        """Keep what the forecast says for each lead time, to be judged when that quarter is over."""
        base = clock_floor(now, 15)
        for lead in LEADS_H:
            start = base + timedelta(hours=lead)
            value = forecast.mean(start, start + _QUARTER)
            if value is not None:
                self._expected.setdefault(start, {})[lead] = value

    def observe(self, start: datetime, actual: float | None, *, least: float) -> None:
        """Judge a quarter that is over; forecasts below `least` (night) teach nothing."""
        for old in [moment for moment in self._expected if moment < start]:
            del self._expected[old]
        for lead, expected in self._expected.pop(start, {}).items():
            if actual is not None and expected > least:
                self._errors[lead].append(actual / expected - 1.0)

    def quantile(self, lead_h: float, quantile: float) -> float | None:
        """Return a quantile of the relative error at a lead time, None without enough experience."""
        lead = LEADS_H[min(bisect_left(LEADS_H, lead_h), len(LEADS_H) - 1)]
        errors = self._errors[lead]
        if len(errors) < _LEAST:
            return None
        ordered = sorted(errors)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    def ratio(self) -> float | None:
        """Return the median of actual over forecast at the shortest lead, None without enough experience."""
        median = self.quantile(LEADS_H[0], 0.5)
        return None if median is None else 1.0 + median

    def document(self) -> dict[str, object]:
        """Return errors (rounded) and open forecasts for a restart, ready for JSON; its size is bounded."""
        return {
            "errors": [[round(error, _DIGITS) for error in self._errors[lead]] for lead in LEADS_H],
            "expected": {
                start.isoformat(): {str(LEADS_H.index(lead)): value for lead, value in by_lead.items()}
                for start, by_lead in self._expected.items()
            },
        }

    @classmethod
    def restored(cls, document: Mapping[str, object]) -> Self:
        """Return a record from a document of `document()`.

        Raises:
            ValueError, TypeError, KeyError, IndexError: It is not one.
        """
        errors, expected = document["errors"], document["expected"]
        if not isinstance(errors, list) or not isinstance(expected, dict):
            raise TypeError("not the document of an error record")
        record = cls()
        for lead, values in zip(LEADS_H, errors, strict=True):
            record._errors[lead].extend(_finite(value) for value in values)
        for text, by_lead in expected.items():
            start = datetime.fromisoformat(text)
            if start.tzinfo is None or not isinstance(by_lead, dict):
                raise ValueError(f"{text!r} is no forecast of a quarter hour in UTC")
            record._expected[start] = {LEADS_H[int(index)]: _finite(value) for index, value in by_lead.items()}
        return record


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)
