"""A shipped site on the port twin with control beside it, and the ways in which its parts can fail."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from drivers.sim.devices import SimulatedDevice, simulated_devices
from drivers.sim.plant import Plant
from drivers.sim.port_twin import PortDevice, port_device
from drivers.sim.series import DayTable, Values
from ems.control.state import ControlState, Mode
from ems.model.modes import TieRules
from ems.model.readings import Reading
from ems.model.requests import NO_REQUESTS, OperatorRequests
from ems.runtime.clock import ManualClock
from ems.runtime.cycle import ControlCycle, CycleRecord
from tests.control.scene import shipped
from tests.faults.result import Found
from tests.twin.settings import device_specs, exact, files_of, spec_of

DESERT: Final = "desert-offgrid"
CAMPUS: Final = "weak-grid-campus"
HALL: Final = "liquid-cooled-hall"
NIGHT: Final = datetime(2025, 1, 9, 3, 0, tzinfo=UTC)
# three in the afternoon of a summer day in the desert, and noon at the campus
DESERT_DAY: Final = datetime(2025, 6, 10, 20, 0, tzinfo=UTC)
CAMPUS_NOON: Final = datetime(2025, 7, 9, 3, 0, tzinfo=UTC)


class Spoilt:
    """A device of the twin whose readings can be changed and whose commands can be refused or forgotten."""

    def __init__(self, device: SimulatedDevice) -> None:
        self._device = device
        self.change: Callable[[Reading], Reading] | None = None
        self.refuses = False
        self.forgets = False

    def reading(self, device_id: str) -> Reading:
        """Return what it shows, changed."""
        shown = self._device.reading(device_id)
        return shown if self.change is None else self.change(shown)

    def command(self, name: str, value: float) -> bool:
        """Take a command, or not."""
        if self.refuses:
            return False
        return True if self.forgets else self._device.command(name, value)


class ScaledDays(DayTable):
    """The days of a plant in which, from some moment on, load and sun are other shares of what they were."""

    def __init__(self, first_day: datetime) -> None:
        super().__init__(first_day)
        self.load_frac = 1.0
        self.sun_fracs: dict[int, float] = {}
        self.every_sun_frac = 1.0

    def mean(self, start: datetime, duration_s: float) -> Values:
        """Return ambient, IT load and the sun of every PV block, scaled."""
        means = super().mean(start, duration_s).copy()
        means[1] *= self.load_frac
        for number in range(len(means) - 2):
            means[2 + number] *= self.every_sun_frac * self.sun_fracs.get(number, 1.0)
        return means


class PortSite:
    """Plant, devices and control of a shipped site, moved together once a second.

    Instruments are exact, starts succeed and the grid stays, except where a scenario says otherwise.
    """

    def __init__(self, name: str, start: datetime, *, soc_pct: float = 55.0, tie: TieRules | None = None) -> None:
        native = shipped(name)
        self.site = native if tie is None else replace(native, control=replace(native.control, tie=tie))
        spec = replace(exact(spec_of(name)), soc_start_pct=soc_pct, soc_spread_pct=0.0)
        if spec.outages is not None:
            spec = replace(spec, outages=replace(spec.outages, share_of_year_frac=0.0, reclose_s=60.0))
        self.plant = Plant(self.site, spec, start=start, search=files_of(name).search, seed=7)
        self.days = ScaledDays(self.plant._first_day)
        self.plant._minutes = self.days
        self.plant._ensure_days(start)
        self.clock = ManualClock(start)
        simulated = simulated_devices(self.plant)
        self.spoilt = {asset: Spoilt(device) for asset, device in simulated.items()}
        specs = [
            replace(each, driver="meter.tie", watchdog_s=10.0) if tie is not None and each.asset == "pcc" else each
            for each in device_specs(name)
        ]
        self.devices: dict[str, PortDevice] = {
            each.asset: port_device(each, self.spoilt[each.asset], self.clock)
            for each in specs
            if each.asset in simulated
        }
        self.cycle = ControlCycle(self.site, self.devices, self.clock, state=ControlState())
        self.requests: OperatorRequests = NO_REQUESTS
        self.modes: list[Mode] = []
        self.fault_s = 0.0
        self._unserved_before_kwh = 0.0

    def settle(self, seconds: int = 60) -> CycleRecord:
        """Run until control has taken over and has steadied."""
        record = self.run(seconds)
        assert record.decision.state.mode in (Mode.GRID, Mode.ISLAND), record.decision.state.mode_reason
        return record

    def fault(self) -> None:
        """Say that the fault begins now: times and unserved energy count from here."""
        self.fault_s = self.clock.monotonic_s()
        self._unserved_before_kwh = self.plant.totals.unserved
        self.modes.clear()

    @property
    def unserved_kwh(self) -> float:
        """Return what the load has missed since the fault."""
        return self.plant.totals.unserved - self._unserved_before_kwh

    def run(self, seconds: int) -> CycleRecord:
        """Run cycles once a second."""
        assert seconds > 0
        for _ in range(seconds):
            record = self._second()
        return record

    def noticed(self, shows: Callable[[CycleRecord], object], *, patience_s: int) -> float | None:
        """Return how long after the fault a cycle shows something, None where none does within the patience."""
        for _ in range(patience_s):
            record = self._second()
            if shows(record):
                return record.snapshot.at_s - self.fault_s
        return None

    def found(
        self, detect_s: float | None, told: str, *wrong: str | None, shed: bool = False, must_notice: bool = True
    ) -> Found:
        """Return what was measured up to now; `wrong` are requirements not met, None for those that are."""
        missing = ["not noticed"] if detect_s is None and must_notice else []
        return Found(
            detect_s=detect_s,
            state=self.cycle.state.mode.value,
            unserved_kwh=None if shed else self.unserved_kwh,
            told=told,
            wrong=tuple(missing + [each for each in wrong if each is not None]),
        )

    def _second(self) -> CycleRecord:
        record = self.cycle.run(None, self.requests)
        mode = record.decision.state.mode
        if not self.modes or self.modes[-1] is not mode:
            self.modes.append(mode)
        self.plant.advance(1.0)
        self.clock.advance(1.0)
        return record


def merged(cases: Mapping[str, Found]) -> Found:
    """Return several cases of a row as one: the longest detection, all unserved energy, all that is wrong."""
    found = list(cases.values())
    detected = [each.detect_s for each in found if each.detect_s is not None]
    states = [each.state for each in found if each.state is not None]
    return Found(
        detect_s=max(detected, default=None),
        state=states[-1] if states else None,
        unserved_kwh=sum(each.unserved_kwh or 0.0 for each in found),
        told="; ".join(f"{name}: {each.told}" for name, each in cases.items()),
        wrong=tuple(f"{name}: {wrong}" for name, each in cases.items() for wrong in each.wrong),
        cases=tuple((name, each.unserved_kwh) for name, each in cases.items()),
    )
