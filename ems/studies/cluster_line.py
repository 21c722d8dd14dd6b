"""Carries the dialogue with the simulated cluster in process: the same payloads that a broker would carry."""

from collections.abc import Callable
from datetime import datetime

from drivers.sim.scheduler.cluster import TwinScheduler
from drivers.sim.scheduler.voice import ClusterVoice
from ems.cluster.dialogue import ClusterDialogue, Listeners, News
from ems.contract.outgoing import Outgoing
from ems.model.site import Site
from ems.ports import Clock
from ems.runtime.cycle import CycleRecord
from ems.runtime.planner import PlanningResult

# receives an instant and what an operator would be told
Told = Callable[[datetime, str], None]


class ClusterLine:
    """The dialogue and the cluster's voice, with nothing but time between them."""

    def __init__(self, site: Site, scheduler: TwinScheduler, clock: Clock, *, stretch: float, told: Told) -> None:
        self._site = site
        self._clock = clock
        self._scheduler = scheduler
        self.n_sheds = 0
        self.voice = ClusterVoice(scheduler, clock=clock, stretch=stretch)
        self.dialogue = ClusterDialogue(
            site,
            Listeners(
                news=lambda news: told(clock.utc(), _said(news)),
                refused=lambda kind, reason: told(clock.utc(), f"{kind} of the cluster refused: {reason}"),
                returned=lambda kind, count: told(clock.utc(), f"{kind} of the cluster used again after {count}"),
            ),
        )

    def listen(self) -> None:
        """Hand over what the cluster has to say by now."""
        receivers = self.dialogue.receivers()
        for word in self.voice.words():
            receiver = receivers.get(f"cluster/{self._site.it.id}/{word.leaf}")
            if receiver is not None:
                receiver(word.payload, self._clock.utc(), False)

    def on_cycle(self, record: CycleRecord) -> None:
        """Say what a cycle makes necessary."""
        self._say(self.dialogue.on_cycle(record.snapshot, record.decision))

    def on_plan(self, result: PlanningResult) -> None:
        """Say what a plan allows."""
        carbon = None if result.outlook is None else result.outlook.carbon_kgco2e_per_kwh
        self._say(self.dialogue.on_plan(result.plan, carbon, self._clock.utc()))

    def summary(self) -> dict[str, object]:
        """Return what became of the cluster's work."""
        scheduler, queue = self._scheduler, self._scheduler.queue
        return {
            "jobs_arrived": queue.n_arrived,
            "jobs_done": queue.n_done,
            "deadlines_missed": queue.n_missed,
            "pauses": queue.n_pauses,
            "batch_kwh": round(queue.done_kwh, 1),
            "restart_kwh": round(queue.restart_kwh, 1),
            "batch_left_kwh": round(queue.left_kwh, 1),
            "curtailed_kwh": round(scheduler.curtailed_kwh, 1),
            "capped_kwh": round(scheduler.capped_kwh, 1),
            "over_limit_kwh": round(scheduler.over_limit_kwh, 1),
            "sheds": self.n_sheds,
        }

    def _say(self, outgoing: tuple[Outgoing, ...]) -> None:
        for each in outgoing:
            self.n_sheds += each.topic.endswith("/shed")
            self.voice.take(each.message.payload())


def _said(news: News) -> str:
    return news.text
