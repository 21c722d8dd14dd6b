"""One closed-loop run: the control code of the daemon on the port twin, as fast as it computes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from drivers.sim.devices import simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.port_twin import port_device
from drivers.sim.weather_service import WeatherService
from ems.config.build import build_simulation, build_site, build_wiring
from ems.config.files import ConfigFiles
from ems.control.state import BilledImport, ControlState
from ems.errors import ConfigError, ConfigProblem
from ems.model.plan import Plan, PoolStep
from ems.model.problem import PlanningProblem
from ems.model.site import Site
from ems.model.twin import TwinSpec
from ems.runtime.accounts import Accounts
from ems.runtime.clock import ManualClock
from ems.runtime.condition import condition_of
from ems.runtime.cycle import ControlCycle, CycleRecord
from ems.runtime.forecasts import ForecastMemory
from ems.runtime.inputs import load_climate, price_file_source
from ems.runtime.planner import Planner, ProblemSink
from ems.runtime.prices import SitePrices
from ems.runtime.statistics import RunStatistics
from ems.runtime.timescale import stretched_device, stretched_site
from ems.runtime.worker_client import WorkerClient
from ems.studies.books import GridBook, true_energies
from ems.studies.cluster_line import ClusterLine
from ems.studies.recorder import Recorder, reserve_columns
from ems.studies.summary import RunFrame, summarise

# receives the share of the run that is done, 0..1
Progress = Callable[[float], None]
# beyond them clocks, time zones and calendars are not what the rules of a site mean
_START_YEARS = (1970, 2200)


class Policy(StrEnum):
    """Who decides commitment and storage: the optimiser, or the threshold rules."""

    PLAN = "plan"
    MERIT_ORDER = "merit-order"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What to simulate; `start` is a local date of the site."""

    start: datetime
    days: float
    step_s: float = 60.0
    replan_min: float = 15.0
    policy: Policy = Policy.PLAN
    seed: int | None = None


def local_midnight(site: Site, text: str) -> datetime:
    """Return the UTC instant at which a date begins at the site.

    Raises:
        ConfigError: The text is no date, or one that is too far away.
    """
    first, last = _START_YEARS
    allowed = f"YYYY-MM-DD in the years {first} to {last}"
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(ConfigProblem(file="--start", message=f"'{text}' is no date", allowed=allowed)) from error
    if not first <= day.year <= last:
        raise ConfigError(ConfigProblem(file="--start", message=f"'{text}' is too far away", allowed=allowed))
    return datetime.combine(day, time(), tzinfo=ZoneInfo(site.place.timezone)).astimezone(UTC)


async def simulate(files: ConfigFiles, request: RunRequest, out: Path, *, progress: Progress) -> dict[str, object]:
    """Run, write all files but the report into `out`, and return the summary.

    Raises:
        ConfigError: The site has no simulation settings, or an input file is not readable.
    """
    spec = build_simulation(files)
    worker = WorkerClient(memory_mb=files.control.planning.worker_memory_mb)
    try:
        with Recorder(out, site=files.site.site.id) as recorder:
            run = ClosedLoop(files, request, spec, worker=worker, recorder=recorder)
            return await run.run(progress)
    finally:
        await worker.close()


class ClosedLoop:
    """The parts of one run."""

    def __init__(
        self,
        files: ConfigFiles,
        request: RunRequest,
        spec: TwinSpec,
        *,
        worker: WorkerClient,
        recorder: Recorder,
        archive: ProblemSink | None = None,
    ) -> None:
        native = build_site(files)
        self._request = request
        self._recorder = recorder
        self._seed = spec.seed if request.seed is None else request.seed
        factor = max(1.0, request.step_s / native.control.period_s)
        self._site = stretched_site(native, factor=factor, plan_period_s=60.0 * request.replan_min)
        self._clock = ManualClock(request.start)
        self._plant = Plant(native, spec, start=request.start, search=files.search, seed=self._seed)
        simulated = simulated_devices(self._plant)
        devices = {
            device.asset: port_device(stretched_device(device, factor), simulated[device.asset], self._clock)
            for device in build_wiring(files).devices
        }
        state = ControlState(billed=BilledImport(peak_kw=spec.peak_so_far_kw))
        self._line = self._cluster_line(factor)
        dialogue = None if self._line is None else self._line.dialogue
        self._cycle = ControlCycle(self._site, devices, self._clock, state=state, cluster=dialogue)
        climate = load_climate(files)
        self._memory = ForecastMemory(self._site, climate)
        weather = WeatherService(spec, native.place, search=files.search, seed=self._seed)
        market = files.forecasts.price
        prices = SitePrices(self._site, None if market is None else price_file_source(files.resolve(market.file)))
        self._planner = Planner(
            self._site,
            worker=worker,
            memory=self._memory,
            climate=climate,
            weather=weather.issue,
            archive=_no_archive if archive is None else archive,
            prices=prices,
            offers=dialogue.offer_at if dialogue is not None and self._site.it.takes_offers else None,
            cluster=None if dialogue is None else dialogue.condition_at,
            use_milp=request.policy is Policy.PLAN,
        )
        self._statistics = RunStatistics(self._site, price_per_kwh=prices.import_price_per_kwh)
        self._accounts = Accounts(
            self._site,
            interval_min=files.persistence.ledger.interval_min,
            carbon=climate.carbon,
            prices=prices,
            sink=recorder.ledger,
        )
        self._grid = GridBook(self._site, climate.carbon, prices=prices, peak_so_far_kw=spec.peak_so_far_kw)
        self._stored_start_kwh = self._plant.stored_kwh

    async def run(self, progress: Progress) -> dict[str, object]:
        """Run to the end and return the summary."""
        request = self._request
        n_steps = round(request.days * 86400.0 / request.step_s)
        next_plan_s = 0.0
        for number in range(n_steps):
            if self._line is not None:
                self._line.listen()
            record = self._cycle.run(self._planner.latest)
            if self._line is not None:
                self._line.on_cycle(record)
            self._memory.observe(record.snapshot)
            self._statistics.add(record)
            self._recorder.decisions(record)
            self._accounts.observe(record)
            if self._clock.monotonic_s() >= next_plan_s and self._may_plan():
                condition = condition_of(
                    self._site, record.snapshot, self._cycle.state, carbon=self._accounts.carbon_spent()
                )
                result = await self._planner.make(condition)
                self._recorder.planning(record.snapshot.utc, result)
                if self._line is not None:
                    self._line.on_plan(result)
                next_plan_s = self._clock.monotonic_s() + 60.0 * request.replan_min
            self._advance(record)
            if number % 60 == 0:
                progress(number / n_steps)
        # what the last step brought about is only seen after it
        self._accounts.observe(self._cycle.run(self._planner.latest))
        progress(1.0)
        return self._summary()

    def _cluster_line(self, factor: float) -> ClusterLine | None:
        """Return the line to the simulated cluster, None where nobody speaks for it."""
        scheduler = self._plant.scheduler
        if scheduler is None:
            return None
        return ClusterLine(self._site, scheduler, self._clock, stretch=factor, told=self._recorder.note)

    def _may_plan(self) -> bool:
        return self._cycle.state.mode.may_plan

    def _advance(self, record: CycleRecord) -> None:
        """Let the plant run one step with what was decided, and write the row of that step."""
        before = self._plant.totals.grid_import, self._plant.totals.fuel_l
        utc = self._plant.utc
        self._plant.advance(self._request.step_s)
        self._clock.advance(self._request.step_s)
        totals = self._plant.totals
        hours = self._request.step_s / 3600.0
        self._grid.add(utc, totals.grid_import - before[0], dt_s=self._request.step_s)
        self._recorder.row(self._row(record, utc, fuel_l_per_h=(totals.fuel_l - before[1]) / hours))

    def _row(self, record: CycleRecord, utc: datetime, *, fuel_l_per_h: float) -> dict[str, object]:
        plant, decision = self._plant, record.decision
        running = [genset for genset in plant.gensets.values() if genset.breaker_closed]
        step = None if record.plan is None else record.plan.step_at(utc)
        scheduler = plant.scheduler
        batch = {} if scheduler is None else {"load_batch_kw": scheduler.served.batch_kw}
        return {
            "time_utc": utc,
            "mode": decision.state.mode.value,
            "load_it_kw": plant.load.it_kw,
            **batch,
            "load_cooling_kw": plant.load.cooling_kw,
            "load_aux_kw": plant.load.aux_kw,
            "unserved_kw": plant.unserved_kw,
            "pv_kw": sum(pv.power_kw for pv in plant.pv.values()),
            "pv_available_kw": sum(pv.available_kw for pv in plant.pv.values()),
            "genset_kw": sum(genset.power_kw for genset in running),
            "n_gensets_on": len(running),
            "fuel_l_per_h": fuel_l_per_h,
            "grid_kw": 0.0 if plant.grid is None else plant.grid.power_kw,
            "grid_connected": plant.grid is not None and plant.grid.breaker_closed,
            "storage_kw": sum(block.power_kw for block in plant.blocks.values()),
            "soc_pct": plant.soc_pct,
            "soc_floor_pct": None if decision.storage is None else decision.storage.floor_pct,
            "soc_planned_pct": None if step is None else _planned_soc(step.pools, self._site),
            **reserve_columns(record),
            "held_on_by_reserve": decision.held_on_by_reserve,
            "price_per_kwh": self._grid.price_per_kwh(utc),
            "grid_kgco2e_per_kwh": self._grid.kgco2e_per_kwh(utc),
            "ambient_degc": plant.ambient_degc,
            "tank_l": None if plant.tank is None else plant.tank.stored_l,
            "frequency_hz": plant.frequency_hz,
        }

    def _summary(self) -> dict[str, object]:
        request = self._request
        local = request.start.astimezone(ZoneInfo(self._site.place.timezone))
        frame = RunFrame(
            site=self._site.id,
            policy=request.policy.value,
            start=f"{local:%Y-%m-%d}",
            days=request.days,
            step_s=request.step_s,
            replan_min=request.replan_min,
            seed=self._seed,
        )
        summary = summarise(
            self._site,
            frame,
            true_energies(self._plant, stored_start_kwh=self._stored_start_kwh),
            self._grid.account(),
            counts=self._statistics.counts(),
            planning=self._planner.statistics.counts(),
            began=request.start,
        )
        return summary if self._line is None else {**summary, "cluster": self._line.summary()}


def _planned_soc(pools: tuple[PoolStep, ...], site: Site) -> float:
    """Return the SoC that the plan wants at the end of its step."""
    return 100.0 * sum(pool.stored_end_kwh for pool in pools) / site.full_kwh if site.full_kwh > 0.0 else 0.0


def _no_archive(problem: PlanningProblem, plan: Plan) -> None:
    """Keep nothing: a simulation can be repeated."""
