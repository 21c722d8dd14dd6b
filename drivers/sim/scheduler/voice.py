"""How the simulated cluster speaks: offers, acknowledgements and telemetry as JSON, and what it makes of messages.

Carried over MQTT or in process by someone else. Faults of the endpoint are faults of the dialogue: `mute` loses
messages both ways, `delay_s` delays them, `deaf` acknowledges and does nothing, `ignore_writes` does not even
acknowledge, `garbage` and `truncate` spoil what is said, `retained` lets the broker keep it, `old_s` dates it back.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from drivers.sim.mqtt.corruption import on_the_wire, strangers
from drivers.sim.scheduler.cluster import TwinScheduler
from drivers.sim.wire.faultlayer import FaultLayer
from drivers.sim.wire.faults import Faults
from drivers.sim.wire.steering import OrderError
from ems.ports import Clock

_HOUR: Final = 3600.0
_FORECAST_H: Final = 48
# deadlines are offered in classes of this width; a job is then due at most so much too early
_BUCKET_H: Final = 6
_BUCKETS: Final = 4
_VALIDITY: Final = 4.0
_UNIT: Final = 0
# power of pre-training against its progress, 256 A100 capped at 100 to 400 W (arXiv 2507.00909); the measured points
# between 0.76 and 1 are left out, the curve is concave without them
_PROGRESS: Final = ((0.27, 0.19), (0.51, 0.63), (0.76, 0.87), (1.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One message of the cluster, its topic below `cluster/<id>/`."""

    leaf: str
    payload: bytes
    retain: bool


class ClusterVoice:
    """Speaks for one scheduler. Time is the clock's; nothing here waits."""

    def __init__(self, scheduler: TwinScheduler, *, clock: Clock, stretch: float = 1.0) -> None:
        """Speak every period times `stretch`, as all periods of an accelerated run."""
        self._scheduler = scheduler
        self._clock = clock
        self._stretch = stretch
        self._layer = FaultLayer(clock=clock, seed=scheduler.it.id)
        self._seq = 0
        self._offer_due_s = self._telemetry_due_s = clock.monotonic_s()
        self._incoming: list[tuple[float, bytes]] = []
        self._outgoing: list[tuple[float, Word]] = []

    @property
    def faults(self) -> tuple[Faults, ...]:
        """Return the faults that are set and not over."""
        return self._layer.present

    async def set_faults(self, *faults: Faults) -> None:
        """Replace all faults.

        Raises:
            OrderError: One of them means nothing for the cluster.
        """
        self.replace_faults(*faults)

    def replace_faults(self, *faults: Faults) -> None:
        """Replace all faults.

        Raises:
            OrderError: One of them means nothing for the cluster.
        """
        if wrong := sorted({kind for one in faults for kind in strangers(one)}):
            raise OrderError([f"{kind}: no fault of the cluster" for kind in wrong])
        self._layer.set(faults)

    def take(self, payload: bytes) -> None:
        """Take an envelope or a shed."""
        faults = self._layer.of_request(_UNIT)
        if faults.mute or faults.refuse:
            return
        self._incoming.append((self._clock.monotonic_s() + faults.delay_s, payload))

    def words(self) -> list[Word]:
        """Return what is to be said by now, in its order."""
        now_s = self._clock.monotonic_s()
        faults = self._layer.of_request(_UNIT)
        self._scheduler.obeys = not (faults.deaf or faults.ignore_writes)
        heard = [payload for due_s, payload in self._incoming if due_s <= now_s]
        self._incoming = [each for each in self._incoming if each[0] > now_s]
        for payload in heard:
            self._hear(payload, faults)
        if now_s >= self._offer_due_s:
            self._offer_due_s = now_s + self._scheduler.spec.offer_every_s * self._stretch
            self._say("offer", self._offer(faults), faults, retain=True)
        if now_s >= self._telemetry_due_s:
            self._telemetry_due_s = now_s + self._scheduler.spec.telemetry_every_s * self._stretch
            self._say("telemetry", self._telemetry(faults), faults, retain=False)
        ready = [word for due_s, word in self._outgoing if due_s <= now_s]
        self._outgoing = [each for each in self._outgoing if each[0] > now_s]
        return ready

    def _say(self, leaf: str, message: dict[str, object], faults: Faults, *, retain: bool) -> None:
        if faults.mute or faults.refuse:
            return
        due_s = self._clock.monotonic_s() + faults.delay_s
        for payload in on_the_wire(json.dumps(message), faults, self._layer.dice):
            self._outgoing.append((due_s, Word(leaf=leaf, payload=payload, retain=retain or faults.retained)))

    def _hear(self, payload: bytes, faults: Faults) -> None:
        """Take a message and acknowledge it; one that cannot be read is left alone."""
        scheduler = self._scheduler
        before_kw = scheduler.served.total_kw
        try:
            message = json.loads(payload)
            is_new = isinstance(message, dict) and scheduler.limits.take(message)
        except (ValueError, KeyError, TypeError):
            return
        if not is_new or faults.ignore_writes:
            return
        ack: dict[str, object] = {"seq": int(message["seq"]), "accepted": True}
        if "target_kw" in message:
            target_kw = message["target_kw"]
            given_kw = 0.0 if target_kw is None else max(0.0, before_kw - float(target_kw))
            ack["shed"] = {"id": str(message["id"]), "eta_s": scheduler.spec.react_s, "kw": round(given_kw, 1)}
        else:
            ack["expected_kw"] = [round(float(each["expected_kw"]), 1) for each in message["intervals"]]
        self._say("ack", ack, faults, retain=False)

    def _telemetry(self, faults: Faults) -> dict[str, object]:
        scheduler = self._scheduler
        limit_kw = scheduler.present().limit_kw
        return {
            "ts": _text(self._now(faults)),
            "it_kw": round(scheduler.served.total_kw, 1),
            "enforced_limit_kw": None if limit_kw is None else round(limit_kw, 1),
            "held_jobs": scheduler.queue.n_held,
        }

    def _offer(self, faults: Faults) -> dict[str, object]:
        self._seq += 1
        scheduler, now = self._scheduler, self._now(faults)
        validity_s = _VALIDITY * scheduler.spec.offer_every_s * self._stretch
        batch_kw = scheduler.served.batch_kw
        return {
            "schema": "flex-offer/1",
            "seq": self._seq,
            "cluster": scheduler.it.id,
            "issued": _text(now),
            "valid_until": _text(now + timedelta(seconds=validity_s)),
            "forecast_kw": [
                {
                    "start": _text(now + timedelta(hours=hour)),
                    "duration_min": 60.0,
                    "kw": _kw(min(scheduler.it.design_kw, scheduler.forecast_kw(hour) + batch_kw)),
                }
                for hour in range(_FORECAST_H + 1)
            ],
            "classes": list(self._classes(now)),
            "fast_shed": self._fast_shed(),
            "idle_kw": _kw(scheduler.it.idle_kw),
        }

    def _classes(self, now: datetime) -> Iterable[dict[str, object]]:
        scheduler, spec = self._scheduler, self._scheduler.spec
        asked = scheduler.asked
        firm_kw = asked.firm_kw
        if not spec.offers:
            firm_kw = asked.firm_kw + asked.shapeable_kw + asked.curtailable_kw
        if firm_kw > 0.0:
            yield {"id": "inference", "kind": "firm", **_powers(now=firm_kw, least=firm_kw, most=firm_kw)}
        if not spec.offers:
            return
        if spec.shapeable_frac > 0.0:
            most_kw = asked.shapeable_kw
            yield {
                "id": "training",
                "kind": "shapeable",
                **_powers(now=min(most_kw, scheduler.served.shapeable_kw), least=0.51 * most_kw, most=most_kw),
                "ramp_kw_per_min": _kw(scheduler.it.design_kw),
                "notice_s": 60.0,
                "value_per_kwh": spec.training_cost_per_kwh,
                "power_to_progress": [list(point) for point in _PROGRESS],
                "max_slowdown_share": 0.37,
            }
        if spec.curtailable_frac > 0.0:
            yield {
                "id": "preemptible",
                "kind": "curtailable",
                **_powers(now=asked.curtailable_kw, least=0.0, most=asked.curtailable_kw),
                "notice_s": 5.0,
                "penalty_per_kwh": spec.curtailed_cost_per_kwh,
                "max_hours_per_day": 6.0,
            }
        if spec.deferrable_frac > 0.0:
            yield from self._batch_classes(now)

    def _batch_classes(self, now: datetime) -> Iterable[dict[str, object]]:
        """Yield the jobs by their deadlines: always the same number of classes, due with the first job of each."""
        scheduler = self._scheduler
        elapsed_s = scheduler.elapsed_s
        queue = scheduler.queue
        total_kwh = queue.left_kwh
        for number in range(_BUCKETS):
            low_s = _HOUR * _BUCKET_H * number
            high_s = _HOUR * _BUCKET_H * (number + 1) if number < _BUCKETS - 1 else float("inf")
            jobs = [job for job in queue.jobs if low_s <= max(0.0, job.due_s - elapsed_s) < high_s]
            energy_kwh = sum(job.left_kwh for job in jobs)
            due_s = min((job.due_s - elapsed_s for job in jobs), default=low_s + _HOUR * _BUCKET_H)
            hours = max(0.5, due_s / _HOUR)
            share = energy_kwh / total_kwh if total_kwh > 0.0 else 1.0 / _BUCKETS
            all_kw = sum(job.power_kw for job in jobs)
            most_kw = min(max(queue.peak_kw * share, energy_kwh / hours), max(all_kw, energy_kwh / hours))
            now_kw = min(most_kw, sum(job.power_kw for job in jobs if job.draws()))
            yield {
                "id": f"batch-{number}",
                "kind": "deferrable",
                **_powers(now=now_kw, least=0.0, most=most_kw),
                "energy_kwh": _kw(energy_kwh),
                "deadline": _text(now + timedelta(hours=hours)),
                "notice_s": 60.0,
                "value_per_kwh": scheduler.spec.batch_late_cost_per_kwh,
            }

    def _fast_shed(self) -> list[dict[str, object]]:
        scheduler = self._scheduler
        served = scheduler.served
        quick_kw = served.curtailable_kw
        all_kw = quick_kw + served.batch_kw + 0.49 * served.shapeable_kw
        return [{"within_s": 10.0, "kw": _kw(quick_kw)}, {"within_s": 60.0, "kw": _kw(all_kw)}]

    def _now(self, faults: Faults) -> datetime:
        return self._clock.utc() - timedelta(seconds=faults.old_s)


def _powers(*, now: float, least: float, most: float) -> dict[str, object]:
    return {"now_kw": _kw(min(now, most)), "min_kw": _kw(min(least, most)), "max_kw": _kw(most)}


def _kw(power_kw: float) -> float:
    return round(max(0.0, power_kw), 1)


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds")
