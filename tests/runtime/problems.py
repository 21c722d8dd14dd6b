"""A real planning problem of the edge node, as the planner makes it from a measured condition."""

from dataclasses import replace

from drivers.sim.weather_service import WeatherService
from ems.control.state import ControlState
from ems.model.condition import SiteCondition
from ems.model.plan import Plan
from ems.model.problem import PlanningProblem
from ems.model.site import Site
from ems.runtime.condition import condition_of
from ems.runtime.cycle import ControlCycle
from ems.runtime.forecasts import Climate, ForecastMemory
from ems.runtime.inputs import load_climate
from ems.runtime.planner import Planner
from ems.runtime.worker_client import WorkerClient
from tests.runtime.fakes import PortSite
from tests.twin.settings import files_of

SITE = "edge-node"


class PlannedSite:
    """The edge node after some cycles, with a planner whose worker is a process of its own."""

    def __init__(self, *, use_milp: bool = True, with_weather: bool = True) -> None:
        self.port = PortSite(SITE)
        weather = WeatherService(
            self.port.plant.spec, self.port.site.place, search=files_of(SITE).search, seed=self.port.plant.seed
        )
        self.site: Site = replace(
            self.port.site, planning=replace(self.port.site.planning, time_limit_s=20.0, gap_frac=0.05)
        )
        self.climate: Climate = load_climate(files_of(SITE))
        self.memory = ForecastMemory(self.site, self.climate)
        self.worker = WorkerClient()
        self.archived: list[tuple[PlanningProblem, Plan]] = []
        self.planner = Planner(
            self.site,
            worker=self.worker,
            memory=self.memory,
            climate=self.climate,
            weather=weather.issue if with_weather else lambda _: None,
            archive=lambda problem, plan: self.archived.append((problem, plan)),
            use_milp=use_milp,
        )
        self._cycle = ControlCycle(self.site, self.port.devices, self.port.clock, state=ControlState(mode_since_s=0.0))

    def condition(self, duration_s: float = 10.0) -> SiteCondition:
        """Let the site run for a while and return how it stands."""
        for _ in range(round(duration_s)):
            record = self._cycle.run(self.planner.latest)
            self.memory.observe(record.snapshot)
            self.port.advance(1.0)
        return condition_of(self.site, record.snapshot, self._cycle.state)
