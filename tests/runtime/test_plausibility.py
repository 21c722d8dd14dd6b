"""What contradicts everything else, in the cycle of a whole site: a frozen PCC meter, a wrong sign, a jump of SoC."""

from collections.abc import Callable
from dataclasses import replace

from drivers.sim.port_twin import PortDevice
from ems.control.state import ControlState, Mode
from ems.model.alarm import reports_fire
from ems.model.capability import PowerLimits
from ems.model.readings import BmsReading, PccReading, PcsReading, RackReading, Reading
from ems.model.setpoints import Outcome, WriteOutcome
from ems.ports import Device
from ems.runtime.cycle import ControlCycle, CycleRecord
from tests.control.scene import flat_plan
from tests.faults.port_site import DESERT, NIGHT
from tests.faults.port_site import PortSite as SpoiltSite
from tests.runtime.fakes import PortSite


class Altered:
    """A device of the port twin whose readings a test changes."""

    def __init__(self, device: PortDevice) -> None:
        self._device = device
        self.change: Callable[[Reading], Reading] | None = None

    @property
    def device_id(self) -> str:
        return self._device.device_id

    @property
    def asset_id(self) -> str:
        return self._device.asset_id

    def reading(self) -> Reading | None:
        reading = self._device.reading()
        return reading if reading is None or self.change is None else self.change(reading)

    def trouble(self) -> str | None:
        return self._device.trouble()


class MirroredPcs(Altered):
    """A PCS whose setpoints arrive with the wrong sign."""

    def __init__(self, device: PortDevice, site: PortSite) -> None:
        super().__init__(device)
        self._site = site
        self._newest: WriteOutcome | None = None
        self.sign = 1.0
        self.asked: list[float] = []

    def outcome(self) -> WriteOutcome | None:
        return self._newest

    def withheld(self) -> str | None:
        return None

    def power_limits(self) -> PowerLimits:
        return PowerLimits(lowest_kw=-1e6, highest_kw=1e6, lowest_reason="none", highest_reason="none")

    def set_power(self, power_kw: float, *, valid_until_s: float) -> None:  # noqa: ARG002 - acts at once
        self.asked.append(power_kw)
        self._device._write("power_kw", self.sign * power_kw)
        self._newest = WriteOutcome(
            device_id=self.device_id,
            outcome=Outcome.ACCEPTED,
            at_s=self._site.clock.monotonic_s(),
            detail="",
            written_kw=power_kw,
        )


class Campus:
    """A campus on the grid in which readings of one device can be changed."""

    def __init__(self, asset: str) -> None:
        self.port = PortSite("weak-grid-campus")
        self.altered = Altered(self.port.devices[asset])
        devices: dict[str, Device] = {**self.port.devices, asset: self.altered}
        self.cycle = ControlCycle(self.port.site, devices, self.port.clock, state=ControlState())
        self.run(30)
        assert self.cycle.state.mode is Mode.GRID

    def run(self, seconds: int) -> CycleRecord:
        for _ in range(seconds):
            record = self.cycle.run(None)
            self.port.advance(1.0)
        return record


def test_a_healthy_site_has_no_alarm_of_control() -> None:
    record = Campus("pcc").run(120)

    assert dict(record.alarms) == {}
    assert record.snapshot.pcc is not None
    assert record.snapshot.pcc.metered_kw is None


def test_a_pcc_meter_that_shows_too_little_is_replaced_by_the_sum_within_twelve_seconds() -> None:
    campus = Campus("pcc")
    shown_kw = 0.0

    def frozen(reading: Reading) -> Reading:
        assert isinstance(reading, PccReading)
        return replace(reading, power_kw=shown_kw)

    before = campus.run(1)
    assert before.snapshot.pcc is not None
    true_kw = before.snapshot.pcc.power_kw
    assert true_kw is not None
    assert true_kw > 2000.0
    campus.altered.change = frozen

    record = campus.run(12)

    pcc = record.snapshot.pcc
    assert pcc is not None
    assert pcc.metered_kw == 0.0
    assert pcc.power_kw is not None
    assert pcc.power_kw > 1000.0
    assert list(record.alarms) == ["balance"]
    assert record.alarms["balance"].startswith("power at the PCC: the meter shows 0 kW")


def test_a_soc_that_jumps_is_told_and_planned_with_gradually() -> None:
    container = PortSite("weak-grid-campus").site.batteries[0].blocks[0].container_ids
    campus = Campus(container[0])
    before = campus.run(1).snapshot.blocks[0].soc_pct
    assert before is not None

    def jumped(reading: Reading) -> Reading:
        assert isinstance(reading, BmsReading)
        assert reading.soc_pct is not None
        return replace(reading, soc_pct=reading.soc_pct - 10.0 * len(container))

    campus.altered.change = jumped
    record = campus.run(3)

    block = record.snapshot.blocks[0]
    assert block.soc_pct is not None
    assert block.reported_soc_pct is not None
    assert abs(block.soc_pct - before) < 0.5
    assert before - block.reported_soc_pct > 9.0
    assert list(record.alarms) == [f"soc:{block.id}"]


def test_a_converter_that_moves_against_its_setpoints_is_left_alone_and_told() -> None:
    port = PortSite("weak-grid-campus")
    pcs = MirroredPcs(port.devices["bess01"], port)
    devices: dict[str, Device] = {**port.devices, "bess01": pcs}
    cycle = ControlCycle(port.site, devices, port.clock, state=ControlState())

    def run(seconds: int, storage_kw: float) -> CycleRecord:
        start = port.clock.utc().replace(microsecond=0)
        plan = flat_plan(port.site, load_kw=9000.0, storage_kw=storage_kw, stored_kwh=40_000.0, start=start)
        for _ in range(seconds):
            record = cycle.run(plan)
            port.advance(1.0)
            if record.alarms:
                break
        return record

    assert not run(30, 2000.0).missed
    pcs.sign = -1.0

    record = run(90, 6000.0)

    assert list(record.alarms) == ["sign:bess01"]
    assert "bess01" in record.missed
    n_asked = len(pcs.asked)
    assert list(run(40, -3000.0).alarms) == ["sign:bess01"]
    assert len(pcs.asked) == n_asked


def test_names_of_alarms_tell_of_fire_and_gas() -> None:
    rack = RackReading(number=1, alarms=("off-gas detected",))
    bms = BmsReading(
        device_id="bms1",
        at_s=0.0,
        soc_pct=None,
        soh_pct=None,
        max_charge_kw=None,
        max_discharge_kw=None,
        cell_max_degc=None,
        cell_min_degc=None,
        cell_max_v=None,
        cell_min_v=None,
        alarm=True,
    )
    pcs = PcsReading(
        device_id="pcs1",
        at_s=0.0,
        power_kw=None,
        setpoint_kw=None,
        forming=None,
        ready=None,
        remote=None,
        fallback_armed=None,
        frequency_hz=None,
        discharge_wh=None,
        charge_wh=None,
        faults=("Fire alarm",),
    )

    assert reports_fire(replace(bms, racks=(rack,)))
    assert reports_fire(pcs)
    assert not reports_fire(bms)
    assert not reports_fire(replace(pcs, faults=("cell over temperature", "insulation low")))


def test_a_fault_of_the_insulation_takes_a_block_to_zero_and_asks_for_its_isolation_a_warning_does_not() -> None:
    site = SpoiltSite(DESERT, NIGHT)
    site.run(60)
    block = site.site.batteries[0].blocks[0]

    def warned(reading: Reading) -> Reading:
        assert isinstance(reading, BmsReading)
        return replace(reading, warnings=("insulation low",))

    def lost(reading: Reading) -> Reading:
        assert isinstance(reading, BmsReading)
        return replace(reading, faults=("insulation low",))

    site.spoilt[block.container_ids[0]].change = warned
    before = site.run(5)
    site.spoilt[block.container_ids[0]].change = lost
    record = site.run(5)

    asked = next(each.power_kw for each in record.decision.setpoints.blocks if each.id == block.id)
    assert f"isolate:{block.id}" not in before.alarms
    assert "lost insulation to earth reported" in record.alarms[f"isolate:{block.id}"]
    assert asked == 0.0
