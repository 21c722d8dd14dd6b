"""What the cluster answers and tells of itself: acknowledgements and telemetry, judged and kept.

Nothing here raises: what cannot be used is refused with a reason. What a broker retained is no answer to anything.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ems.cluster.refusals import CLOCK_ERROR_S, Refusals, Refused, read_message
from ems.contract.cluster import AckMessage, TelemetryMessage
from ems.model.load import ItCluster

# telemetry comes every 1 to 10 s: an older one was held up on its way
_TELEMETRY_AGE_S: Final = 60.0
# of design; a meter may read that much high
_POWER_FRAC: Final = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What the cluster told last, and when it came; the limit is None where none is enforced."""

    utc: datetime
    it_kw: float
    enforced_limit_kw: float | None
    n_held_jobs: int


class TelemetryInbox:
    """Keeps the newest telemetry."""

    def __init__(self, cluster: ItCluster, refusals: Refusals) -> None:
        self._cluster = cluster
        self._refusals = refusals
        self.newest: Telemetry | None = None

    def receive(self, payload: bytes, utc: datetime, *, retained: bool) -> bool:
        """Take a payload and return whether it is used."""
        found = self._read(payload, utc, retained=retained)
        if isinstance(found, Refused):
            self._refusals.refuse(found, utc)
            return False
        self.newest = found
        self._refusals.take()
        return True

    def _read(self, payload: bytes, utc: datetime, *, retained: bool) -> Telemetry | Refused:
        if retained:
            return Refused(kind="retained", reason="telemetry was retained by the broker: it must not be")
        message = read_message(payload, TelemetryMessage, name="telemetry")
        if isinstance(message, Refused):
            return message
        told = message.ts.astimezone(UTC)
        age_s = (utc - told).total_seconds()
        if age_s > _TELEMETRY_AGE_S:
            return Refused(kind="stale", reason=f"telemetry is {age_s:.0f} s old")
        if age_s < -CLOCK_ERROR_S:
            return Refused(kind="early", reason=f"telemetry is of {-age_s:.0f} s to come")
        if self.newest is not None and told < self.newest.utc:
            return Refused(kind="older", reason="telemetry is older than the one before")
        if message.it_kw > _POWER_FRAC * self._cluster.design_kw:
            return Refused(kind="power", reason=f"telemetry shows {message.it_kw:.0f} kW, more than the design")
        return Telemetry(
            utc=told,
            it_kw=message.it_kw,
            enforced_limit_kw=message.enforced_limit_kw,
            n_held_jobs=message.held_jobs,
        )


class AckReader:
    """Reads acknowledgements; `sent_seq` is the newest number that was sent."""

    def __init__(self, cluster: ItCluster, refusals: Refusals) -> None:
        self._cluster = cluster
        self._refusals = refusals

    def read(self, payload: bytes, utc: datetime, *, retained: bool, sent_seq: int) -> AckMessage | None:
        """Return the acknowledgement in a payload, None where it is refused."""
        found = self._judged(payload, retained=retained, sent_seq=sent_seq)
        if isinstance(found, Refused):
            self._refusals.refuse(found, utc)
            return None
        self._refusals.take()
        return found

    def _judged(self, payload: bytes, *, retained: bool, sent_seq: int) -> AckMessage | Refused:
        if retained:
            return Refused(kind="retained", reason="an acknowledgement was retained by the broker: it answers nothing")
        message = read_message(payload, AckMessage, name="acknowledgement")
        if isinstance(message, Refused):
            return message
        if message.seq > sent_seq:
            return Refused(kind="seq", reason=f"message {message.seq} is acknowledged, but {sent_seq} is the newest")
        most_kw = max((*message.expected_kw, 0.0 if message.shed is None else message.shed.kw))
        if most_kw > _POWER_FRAC * self._cluster.design_kw:
            return Refused(kind="power", reason=f"an acknowledgement names {most_kw:.0f} kW, more than the design")
        return message
