"""The process image: what is old, bad or missing is None, and says why."""

from dataclasses import dataclass, replace

import pytest

from ems.model.racks import RackSpread
from ems.model.readings import (
    BmsReading,
    GensetPhase,
    GensetReading,
    LoadReading,
    PccReading,
    PcsReading,
    PvReading,
    RackReading,
)
from ems.model.site import Site
from ems.model.snapshot import BlockState, GensetState, PvState, SiteSnapshot
from ems.runtime.image import ImageBuilder
from tests.control.scene import small
from tests.runtime.fakes import ShownDevice
from tests.twin.settings import START

DESERT = small("desert-offgrid")
CAMPUS = small("weak-grid-campus")
POOL = DESERT.batteries[0]
AT_S = 1000.0
FAST_S, SLOW_S = DESERT.control.stale_fast_s, DESERT.control.stale_slow_s

PCS = PcsReading(
    device_id="bess01-device",
    at_s=AT_S,
    power_kw=1500.0,
    setpoint_kw=1500.0,
    forming=True,
    ready=True,
    remote=True,
    fallback_armed=True,
    frequency_hz=60.0,
    discharge_wh=10,
    charge_wh=20,
)
BMS = BmsReading(
    device_id="bms",
    at_s=AT_S,
    soc_pct=60.0,
    soh_pct=98.0,
    max_charge_kw=2000.0,
    max_discharge_kw=2100.0,
    cell_max_degc=28.0,
    cell_min_degc=24.0,
    cell_max_v=3.35,
    cell_min_v=3.3,
    alarm=False,
)
PV = PvReading(device_id="pv01-device", at_s=AT_S, power_kw=900.0, available_kw=950.0, limit_kw=4000.0, energy_wh=5)
GENSET = GensetReading(
    device_id="gen01-device",
    at_s=AT_S,
    phase=GensetPhase.RUNNING,
    power_kw=1200.0,
    setpoint_kw=1200.0,
    breaker_closed=True,
    remote=True,
    energy_wh=7,
    fuel_used_l=3.0,
    run_h=9.0,
    n_starts=2,
)
IT = LoadReading(device_id="it-device", at_s=AT_S, load_kw=5000.0, load_max_kw=5100.0, energy_wh=1)


def test_a_site_that_nobody_has_read_yet_is_all_unknown_with_reasons() -> None:
    devices = {"bess01": ShownDevice("bess01"), "it": ShownDevice("it", silence="connection refused")}

    image = _image(DESERT, devices)

    assert all(block.power_kw is None and not block.ready and not block.controllable for block in image.blocks)
    assert all(genset.phase is None and not genset.controllable for genset in image.gensets)
    assert image.it.load_kw is None
    assert image.tank_l is None
    assert {(problem.device_id, problem.reason) for problem in image.problems} == {
        ("bess01-device", "not read yet"),
        ("it-device", "connection refused"),
    }


@pytest.mark.parametrize(("age_s", "known"), [(FAST_S, True), (FAST_S + 0.1, False)])
def test_a_fast_value_is_dropped_beyond_its_age(age_s: float, known: bool) -> None:  # noqa: FBT001 - a table's column
    devices = {"it": ShownDevice("it", replace(IT, at_s=AT_S - age_s))}

    image = _image(DESERT, devices)

    assert (image.it.load_kw is not None) is known
    assert bool(image.problems) is not known
    if not known:
        assert image.problems[0].reason == f"stale: {age_s:.1f} s old"


@pytest.mark.parametrize(("age_s", "known"), [(SLOW_S, True), (SLOW_S + 0.1, False)])
def test_a_slow_value_may_be_older(age_s: float, known: bool) -> None:  # noqa: FBT001 - a table's column
    image = _image(DESERT, _block_devices(bms=replace(BMS, at_s=AT_S - age_s)))

    assert (image.blocks[0].soc_pct is not None) is known
    assert (image.blocks[0].max_discharge_kw is not None) is known


def test_an_implausible_value_is_none_and_named() -> None:
    bad = replace(IT, load_kw=None, bad={"load_kw": "98765 is above 20000"})

    image = _image(DESERT, {"it": ShownDevice("it", bad)})

    assert image.it.load_kw is None
    assert image.it.load_max_kw == 5100.0
    assert [(p.device_id, p.value, p.reason) for p in image.problems] == [
        ("it-device", "load_kw", "98765 is above 20000")
    ]


def test_a_block_is_its_pcs_and_its_containers() -> None:
    image = _image(DESERT, _block_devices())

    block = image.blocks[0]
    n = len(POOL.blocks[0].container_ids)
    assert block.power_kw == 1500.0
    assert block.soc_pct == pytest.approx(60.0)
    assert block.full_kwh == pytest.approx(n * POOL.container_kwh * 0.98)
    assert block.max_discharge_kw == pytest.approx(n * 2100.0)
    assert block.ready
    assert block.controllable


def test_a_container_that_is_not_heard_counts_for_nothing() -> None:
    devices = _block_devices()
    lost, hot = POOL.blocks[0].container_ids[:2]
    devices[lost].shown = None
    devices[hot].shown = replace(BMS, soc_pct=50.0, cell_max_degc=41.0, alarm=True)

    block = _image(DESERT, devices).blocks[0]

    n = len(POOL.blocks[0].container_ids) - 1
    assert block.full_kwh == pytest.approx(n * POOL.container_kwh * 0.98)
    assert block.soc_pct == pytest.approx(60.0 - 10.0 / n)
    assert block.cell_max_degc == 41.0
    assert block.alarm


def test_racks_stand_with_their_container_and_their_spread_with_the_block() -> None:
    racks = (RackReading(number=1, soc_pct=58.0), RackReading(number=2, bad={"soc_pct": "no answer"}))
    devices = _block_devices(bms=replace(BMS, racks=racks, rack_soc_min_pct=58.0, rack_soc_max_pct=61.0))

    block = _image(DESERT, devices).blocks[0]

    assert {each.container_id: each.racks for each in block.racks} == dict.fromkeys(
        DESERT.batteries[0].blocks[0].container_ids, racks
    )
    assert block.spread == RackSpread(below_pct=2.0, above_pct=1.0, within_pct=3.0)


def test_a_container_that_is_too_old_shows_no_racks() -> None:
    racks = (RackReading(number=1, soc_pct=58.0),)
    old = replace(BMS, racks=racks, rack_soc_min_pct=58.0, rack_soc_max_pct=61.0, at_s=AT_S - SLOW_S - 1.0)

    block = _image(DESERT, _block_devices(bms=old)).blocks[0]

    assert (block.racks, block.spread) == ((), RackSpread())


def test_a_limit_that_one_container_does_not_tell_counts_as_none_of_its_power() -> None:
    devices = _block_devices()
    devices[POOL.blocks[0].container_ids[0]].shown = replace(BMS, max_charge_kw=None)

    block = _image(DESERT, devices).blocks[0]

    assert block.max_charge_kw == pytest.approx((len(POOL.blocks[0].container_ids) - 1) * 2000.0)


@pytest.mark.parametrize("change", ["local", "link in trouble"])
def test_a_device_that_takes_no_commands_is_read_but_not_controllable(change: str) -> None:
    devices = _block_devices()
    if change == "local":
        devices["bess01"].shown = replace(PCS, remote=False)
    else:
        devices["bess01"].silence = "3 requests timed out"

    block = _image(DESERT, devices).blocks[0]

    assert block.power_kw == 1500.0
    assert block.ready
    assert not block.controllable


@dataclass
class WillingDevice(ShownDevice):
    """A device that takes commands whenever it answers."""

    def withheld(self) -> str | None:
        return None


def test_a_commanded_device_that_does_not_answer_is_named_before_its_values_are_too_old() -> None:
    devices: dict[str, ShownDevice] = {**_block_devices(), "bess01": WillingDevice("bess01", PCS)}
    answering = _image(DESERT, devices).problems
    devices["bess01"].silence = "no answer within 1 s"

    image = _image(DESERT, devices)

    new = [problem for problem in image.problems if problem not in answering]
    assert [(each.device_id, each.value, each.reason) for each in new] == [
        (devices["bess01"].device_id, "setpoint", "no answer within 1 s")
    ]


@dataclass
class SuspectDevice(ShownDevice):
    """A device whose values do not change any more."""

    def suspicion(self) -> str | None:
        return "not a digit has changed"


def test_a_suspect_device_is_marked_and_named_and_stays_controllable() -> None:
    devices: dict[str, ShownDevice] = {
        **_block_devices(),
        "bess01": SuspectDevice("bess01", PCS),
        "gen01": SuspectDevice("gen01", GENSET),
        "pv01": SuspectDevice("pv01", PV),
    }

    image = _image(DESERT, devices)

    states: tuple[BlockState | GensetState | PvState, ...] = (*image.blocks, *image.gensets, *image.pv)
    marked = [state for state in states if state.suspect]
    assert [state.id for state in marked] == ["bess01", "gen01", "pv01"]
    assert all(state.controllable for state in marked)
    named = [(one.device_id, one.reason) for one in image.problems if one.value == "headroom"]
    assert named == [(f"{asset}-device", "not a digit has changed") for asset in ("bess01", "gen01", "pv01")]


def test_a_pcs_without_power_reading_is_not_ready() -> None:
    devices = _block_devices()
    devices["bess01"].shown = replace(PCS, power_kw=None)

    assert not _image(DESERT, devices).blocks[0].ready


def test_sets_and_pv_appear_under_their_asset() -> None:
    devices = {"gen01": ShownDevice("gen01", GENSET), "pv02": ShownDevice("pv02", PV)}

    image = _image(DESERT, devices)

    assert [genset.carries for genset in image.gensets] == [True, False, False]
    assert [pv.power_kw for pv in image.pv] == [None, 900.0]


def test_a_reading_of_the_wrong_kind_is_not_used() -> None:
    image = _image(DESERT, {"it": ShownDevice("it", PV)})

    assert image.it.load_kw is None


def test_spread_is_between_the_oldest_and_youngest_fast_sample() -> None:
    devices = {
        "it": ShownDevice("it", replace(IT, at_s=AT_S - 0.2)),
        "pv01": ShownDevice("pv01", replace(PV, at_s=AT_S - 1.9)),
        **{name: device for name, device in _block_devices().items() if name != "bess01"},
    }

    assert _image(DESERT, devices).spread_s == pytest.approx(1.7)


def test_frequency_comes_from_the_meter_at_the_connection_else_from_the_pcs() -> None:
    pcc = PccReading(
        device_id="pcc-device",
        at_s=AT_S,
        power_kw=100.0,
        breaker_closed=True,
        grid_voltage_frac=1.0,
        bus_voltage_frac=1.0,
        frequency_hz=59.9,
        import_wh=1,
        export_wh=0,
    )
    devices = {"bess01": ShownDevice("bess01", PCS)}

    with_meter = _image(CAMPUS, {**devices, "pcc": ShownDevice("pcc", pcc)})
    without = _image(CAMPUS, devices)

    assert with_meter.frequency_hz == 59.9
    assert without.frequency_hz == 60.0
    assert without.pcc is not None
    assert without.pcc.breaker_closed is None
    assert _image(DESERT, {}).pcc is None


def _block_devices(*, bms: BmsReading = BMS) -> dict[str, ShownDevice]:
    containers = {name: ShownDevice(name, bms) for name in POOL.blocks[0].container_ids}
    return {"bess01": ShownDevice("bess01", PCS), **containers}


def _image(site: Site, devices: dict[str, ShownDevice]) -> SiteSnapshot:
    return ImageBuilder(site, devices).snapshot(at_s=AT_S, utc=START)
