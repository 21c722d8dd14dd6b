"""What the other side has said: envelope and shed, as the cluster keeps and obeys them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

Json = Mapping[str, Any]  # any JSON object

_ENVELOPE: Final = "power-envelope/1"
_SHED: Final = "power-shed/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What counts at an instant: the limit, what is expected, and the ramp upwards; None: no limit."""

    limit_kw: float | None
    expected_kw: float | None
    ramp_kw_per_min: float | None
    is_shed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interval:
    start: datetime
    end: datetime
    limit_kw: float
    expected_kw: float


class Limits:
    """The newest envelope and shed. A message with a number that is not higher than the last is an old one."""

    def __init__(self) -> None:
        self.seq = -1
        self._intervals: tuple[_Interval, ...] = ()
        self._valid_until: datetime | None = None
        self._after_expiry_kw: float | None = None
        self._ramp_kw_per_min: float | None = None
        self.shed_id: str | None = None
        self._shed_kw: float | None = None
        self._shed_until: datetime | None = None

    def take(self, message: Json) -> bool:
        """Take an envelope or a shed; return whether it is one and new.

        Raises:
            KeyError, TypeError, ValueError: It lacks something or has it in another form.
        """
        seq = int(message["seq"])
        if seq <= self.seq:
            return False
        match message.get("schema"):
            case str(schema) if schema == _ENVELOPE:
                self._take_envelope(message)
            case str(schema) if schema == _SHED:
                self._take_shed(message)
            case _:
                return False
        self.seq = seq
        return True

    def at(self, utc: datetime) -> Present:
        """Return what counts at an instant; an envelope that is over leaves its limit for that."""
        limit_kw, expected_kw = self._enveloped(utc)
        shed_until, shed_kw = self._shed_until, self._shed_kw
        is_shed = shed_until is not None and shed_kw is not None and utc < shed_until
        if is_shed and shed_kw is not None:
            limit_kw = shed_kw if limit_kw is None else min(limit_kw, shed_kw)
        if limit_kw is not None and expected_kw is not None:
            expected_kw = min(limit_kw, expected_kw)
        return Present(
            limit_kw=limit_kw, expected_kw=expected_kw, ramp_kw_per_min=self._ramp_kw_per_min, is_shed=is_shed
        )

    def _enveloped(self, utc: datetime) -> tuple[float | None, float | None]:
        if self._valid_until is None:
            return None, None
        if utc < self._valid_until:
            for each in self._intervals:
                if each.start <= utc < each.end:
                    return each.limit_kw, each.expected_kw
        return self._after_expiry_kw, None

    def _take_envelope(self, message: Json) -> None:
        intervals = []
        for each in message["intervals"]:
            start = datetime.fromisoformat(each["start"])
            end = start + timedelta(minutes=float(each["duration_min"]), milliseconds=60)
            intervals.append(
                _Interval(
                    start=start, end=end, limit_kw=float(each["limit_kw"]), expected_kw=float(each["expected_kw"])
                )
            )
        self._intervals = tuple(intervals)
        self._valid_until = datetime.fromisoformat(message["valid_until"])
        self._after_expiry_kw = float(message["after_expiry_limit_kw"])
        self._ramp_kw_per_min = float(message["ramp_kw_per_min"]["up"])

    def _take_shed(self, message: Json) -> None:
        self.shed_id = str(message["id"])
        target_kw = message["target_kw"]
        self._shed_kw = None if target_kw is None else float(target_kw)
        self._shed_until = datetime.fromisoformat(message["until"])
