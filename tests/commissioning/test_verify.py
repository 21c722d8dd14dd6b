"""`ems devices verify`: every check passes on a good device, and each kind of fault fails the check that is for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from drivers.modbus.mapfile import load_map
from drivers.sim.wire.bank import RegisterBank
from ems.app.commissioning.audit import AuditLog
from ems.app.commissioning.checks import (
    Check,
    Step,
    Verdict,
    curtailment_step,
    judged_droop_step,
    judged_fallback,
    judged_heartbeat,
    judged_step,
    storage_steps,
)
from ems.app.commissioning.endpoints import Reach
from ems.app.commissioning.report import DeviceSection, SiteReport, report_html
from ems.app.commissioning.targets import Target, endpoint_target
from ems.app.commissioning.verify import VerifyResult, verify
from ems.app.commissioning.verify_device import Rules
from ems.model.capability import PowerLimits
from tests.commissioning.devices import serving, timed
from tests.commissioning.live import LivePcs, LivePv
from tests.drivers.clock import SteppedClock
from tests.drivers.rig import PlantDevice, meter

RATED_KW = 2000.0
LIMITS = PowerLimits(
    lowest_kw=-2000.0, highest_kw=2000.0, lowest_reason="the nameplate", highest_reason="the nameplate"
)


@asynccontextmanager
async def served(clock: SteppedClock, plant: PlantDevice, map_name: str) -> AsyncIterator[Target]:
    bank = RegisterBank(load_map(map_name, ()), plant, clock=clock)
    async with serving({1: bank}, clock=clock) as server:
        target = endpoint_target(f"127.0.0.1:{server.port}", map_name=map_name, unit=1, reach=Reach(), maps=())
        yield replace(target, rated_kw=RATED_KW)


async def verified(
    clock: SteppedClock,
    plant: PlantDevice,
    tmp_path: Path,
    *,
    map_name: str = "generic-pcs",
    ask: Callable[[str], bool] = lambda _: True,
) -> tuple[VerifyResult, dict[str, Verdict]]:
    async with served(clock, plant, map_name) as target:
        rules = Rules(ask=ask, audit=AuditLog(tmp_path / "audit.jsonl", clock), forced="", step_frac=0.02)
        work = verify([target], rules, out=tmp_path / "out", clock=clock, told=lambda _: None)
        result = await timed(asyncio.create_task(work), clock, limit_s=300.0)
    document = json.loads((tmp_path / "out" / "commissioning.json").read_text(encoding="utf-8"))
    return result, {check["name"]: Verdict(check["verdict"]) for check in document["devices"][0]["checks"]}


@pytest.mark.wire
async def test_a_good_pcs_passes_every_check_and_is_left_as_it_was(tmp_path: Path) -> None:
    clock = SteppedClock()
    plant = LivePcs(clock)
    plant.command("power_kw", 300.0)

    result, checks = await verified(clock, plant, tmp_path)

    assert set(checks) == {
        *("reachable", "identity", "values", "fall-back armed", "limits", "limits kept"),
        *("step up", "step down", "heartbeat", "fall-back", "put back"),
    }
    assert set(checks.values()) == {Verdict.PASSED}
    assert result.passed
    assert plant.commanded("power_kw")[-1] == 300.0
    # never more than the step around the setpoint that was there
    assert max(plant.commanded("power_kw")[1:]) <= 340.0 + 1e-6


@pytest.mark.wire
async def test_a_meter_wired_the_wrong_way_round_fails_both_steps(tmp_path: Path) -> None:
    clock = SteppedClock()

    result, checks = await verified(clock, LivePcs(clock, sign=-1.0), tmp_path)

    assert (checks["step up"], checks["step down"]) == (Verdict.FAILED, Verdict.FAILED)
    assert checks["put back"] is Verdict.PASSED
    assert not result.passed
    assert "wrong sign" in (tmp_path / "out" / "commissioning.html").read_text(encoding="utf-8")


@pytest.mark.wire
async def test_a_device_that_keeps_the_setpoint_of_a_silent_master_fails(tmp_path: Path) -> None:
    clock = SteppedClock()

    result, checks = await verified(clock, LivePcs(clock, falls_back=False), tmp_path)

    assert checks["fall-back"] is Verdict.FAILED
    assert not result.passed


@pytest.mark.wire
@pytest.mark.parametrize("load_moves", [False, True])
async def test_a_unit_that_forms_the_grid_is_not_judged_by_its_power(tmp_path: Path, load_moves: bool) -> None:  # noqa: FBT001
    clock = SteppedClock()
    plant = LivePcs(clock, forming=True)
    # a load that happens to move with the setpoint
    plant.follows_setpoint = load_moves

    result, checks = await verified(clock, plant, tmp_path)

    assert (checks["step up"], checks["step down"]) == (Verdict.NOT_RUN, Verdict.NOT_RUN)
    assert checks["fall-back"] is Verdict.PASSED
    assert result.passed


@pytest.mark.wire
@pytest.mark.parametrize(("sign", "verdict"), [(1.0, Verdict.PASSED), (-1.0, Verdict.FAILED)])
async def test_the_sign_of_a_unit_that_forms_an_island_shows_in_its_frequency(
    tmp_path: Path, sign: float, verdict: Verdict
) -> None:
    clock = SteppedClock()

    result, checks = await verified(clock, LivePcs(clock, forming=True, droop_hz=sign * 0.5), tmp_path)

    assert (checks["step up"], checks["step down"], checks["put back"]) == (verdict, verdict, Verdict.PASSED)
    assert result.passed is (verdict is Verdict.PASSED)


@pytest.mark.parametrize(
    ("frequencies_hz", "verdict"),
    [
        ((60.0, 60.01, 60.0), Verdict.PASSED),
        ((60.0, 59.99, 60.0), Verdict.FAILED),
        # a load that rises meanwhile, a step that is too small to be seen, a device that does not tell
        ((60.0, 59.99, 59.98), Verdict.NOT_RUN),
        ((60.0, 60.002, 60.0), Verdict.NOT_RUN),
        ((60.0, None, 60.0), Verdict.NOT_RUN),
    ],
)
def test_the_frequency_has_to_move_with_the_setpoint_there_and_back(
    frequencies_hz: tuple[float | None, ...], verdict: Verdict
) -> None:
    before_hz, moved_hz, back_hz = frequencies_hz

    check = judged_droop_step(
        Step(setpoint_kw=40.0, delta_kw=40.0), before_hz=before_hz, moved_hz=moved_hz, back_hz=back_hz
    )

    assert check.verdict is verdict


@pytest.mark.wire
async def test_a_unit_that_forms_the_grid_gives_up_a_silent_master_s_setpoint_too(tmp_path: Path) -> None:
    clock = SteppedClock()

    result, checks = await verified(clock, LivePcs(clock, forming=True, falls_back=False), tmp_path)

    assert checks["fall-back"] is Verdict.FAILED
    assert not result.passed


@pytest.mark.wire
async def test_the_fall_back_is_seen_where_a_step_ends_at_zero(tmp_path: Path) -> None:
    clock = SteppedClock()
    plant = LivePcs(clock)
    plant.command("power_kw", -40.0)

    _, checks = await verified(clock, plant, tmp_path)

    assert checks["fall-back"] is Verdict.PASSED


@pytest.mark.wire
async def test_without_agreement_nothing_is_written(tmp_path: Path) -> None:
    clock = SteppedClock()
    plant = LivePcs(clock)

    result, checks = await verified(clock, plant, tmp_path, ask=lambda _: False)

    assert checks["step"] is Verdict.NOT_RUN
    assert plant.commanded("power_kw") == []
    assert result.passed


@pytest.mark.wire
async def test_the_silence_is_asked_for_on_its_own(tmp_path: Path) -> None:
    clock = SteppedClock()

    _, checks = await verified(clock, LivePcs(clock), tmp_path, ask=lambda text: "fall silent" not in text)

    assert checks["step up"] is Verdict.PASSED
    assert checks["fall-back"] is Verdict.NOT_RUN
    assert checks["put back"] is Verdict.PASSED


@pytest.mark.wire
async def test_a_device_under_local_control_is_read_and_not_moved(tmp_path: Path) -> None:
    clock = SteppedClock()
    plant = LivePcs(clock)
    plant.shown["remote"] = False

    result, checks = await verified(clock, plant, tmp_path)

    assert checks["commands"] is Verdict.FAILED
    assert plant.commanded("power_kw") == []
    assert not result.passed


@pytest.mark.wire
async def test_the_setpoint_is_put_back_when_the_engineer_breaks_off(tmp_path: Path) -> None:
    clock = SteppedClock()
    plant = LivePcs(clock)
    async with served(clock, plant, "generic-pcs") as target:
        rules = Rules(ask=lambda _: True, audit=AuditLog(tmp_path / "a.jsonl", clock), forced="", step_frac=0.02)
        work = asyncio.create_task(verify([target], rules, out=None, clock=clock, told=lambda _: None))
        await clock.until(lambda: 40.0 in plant.commanded("power_kw"), limit_s=60.0)
        work.cancel()
        await clock.until(work.done, limit_s=60.0)

    assert work.cancelled()
    assert plant.commanded("power_kw")[-1] == 0.0


@pytest.mark.wire
@pytest.mark.parametrize(("obeys", "verdict"), [(True, Verdict.PASSED), (False, Verdict.FAILED)])
async def test_a_pv_block_is_curtailed_a_little(tmp_path: Path, obeys: bool, verdict: Verdict) -> None:  # noqa: FBT001
    clock = SteppedClock()
    plant = LivePv(clock, available_kw=1000.0, obeys=obeys)

    _, checks = await verified(clock, plant, tmp_path, map_name="generic-pv")

    assert checks["limit obeyed"] is verdict
    assert checks["fall-back"] is Verdict.PASSED
    assert min(plant.commanded("limit_kw")) >= 960.0 - 1e-6


@pytest.mark.wire
async def test_at_night_a_limit_is_not_judged(tmp_path: Path) -> None:
    clock = SteppedClock()

    _, checks = await verified(clock, LivePv(clock, available_kw=0.0), tmp_path, map_name="generic-pv")

    assert checks["limit obeyed"] is Verdict.NOT_RUN


@pytest.mark.wire
async def test_a_meter_is_read_only(tmp_path: Path) -> None:
    clock = SteppedClock()

    good, checks = await verified(clock, meter(850.0), tmp_path, map_name="generic-meter")
    bad, failed = await verified(clock, meter(-850.0), tmp_path, map_name="generic-meter")

    assert set(checks) == {"reachable", "identity", "values"}
    assert good.passed
    assert failed["values"] is Verdict.FAILED
    assert not bad.passed


@pytest.mark.wire
async def test_a_device_that_is_not_there_fails_at_once(tmp_path: Path) -> None:
    clock = SteppedClock()
    async with served(clock, meter(), "generic-meter") as target:
        absent = replace(target, spec=replace(target.spec, unit=77))
        rules = Rules(ask=lambda _: True, audit=AuditLog(tmp_path / "a.jsonl", clock), forced="", step_frac=0.02)
        work = verify([absent], rules, out=None, clock=clock, told=lambda _: None)
        result = await timed(asyncio.create_task(work), clock)

    assert not result.passed
    assert result.text == "1 devices: 0 passed, 1 failed, 0 not run"


def test_steps_stay_within_the_limits() -> None:
    full = replace(LIMITS, lowest_kw=0.0)

    assert [step.delta_kw for step in storage_steps(0.0, LIMITS, rated_kw=2000.0, step_frac=0.02)] == [40.0, -40.0]
    # a battery that takes no charge can only be stepped up
    assert [step.delta_kw for step in storage_steps(0.0, full, rated_kw=2000.0, step_frac=0.02)] == [40.0]
    # however large a step was asked for
    assert [step.delta_kw for step in storage_steps(0.0, LIMITS, rated_kw=2000.0, step_frac=1.0)] == [100.0, -100.0]


def test_a_limit_is_tried_only_where_there_is_production_to_limit() -> None:
    assert curtailment_step(99.0, LIMITS, rated_kw=2000.0, step_frac=0.02) is None
    step = curtailment_step(500.0, LIMITS, rated_kw=2000.0, step_frac=0.02)
    assert step is not None
    assert step.setpoint_kw == 460.0


@pytest.mark.parametrize(
    ("after_kw", "verdict"),
    [
        (40.0, Verdict.PASSED),
        (21.0, Verdict.PASSED),
        (19.0, Verdict.FAILED),
        (-40.0, Verdict.FAILED),
        (None, Verdict.FAILED),
    ],
)
def test_a_step_is_judged_by_the_share_that_the_power_followed(after_kw: float | None, verdict: Verdict) -> None:
    check = judged_step(0.0, after_kw, Step(setpoint_kw=40.0, delta_kw=40.0), forming=False, took_s=1.0)

    assert check.verdict is verdict


@pytest.mark.parametrize("after_kw", [40.0, 0.0, -40.0])
def test_the_power_of_a_unit_that_forms_the_grid_says_nothing_of_its_sign(after_kw: float) -> None:
    check = judged_step(0.0, after_kw, Step(setpoint_kw=40.0, delta_kw=40.0), forming=True, took_s=1.0)

    assert check.verdict is Verdict.NOT_RUN
    assert "sign" in check.detail


def test_a_heartbeat_is_judged_by_its_age() -> None:
    assert judged_heartbeat(1.0, 1.9).verdict is Verdict.PASSED
    assert judged_heartbeat(1.0, 2.1).verdict is Verdict.FAILED
    assert judged_heartbeat(1.0, None).verdict is Verdict.FAILED
    assert judged_heartbeat(None, None).verdict is Verdict.NOT_RUN


@pytest.mark.parametrize(("left_after_s", "verdict"), [(11.0, Verdict.PASSED), (None, Verdict.FAILED)])
def test_a_setpoint_that_outlives_its_master_is_a_fault(left_after_s: float | None, verdict: Verdict) -> None:
    check = judged_fallback(left_after_s=left_after_s, after_s=10.0, waited_s=50.0)

    assert check.verdict is verdict


class Tags(HTMLParser):
    """Checks that every element that is opened is closed in its order."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name in {"src", "href"} for name, _ in attrs), "the report needs nothing from outside"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_sound_page_that_shows_texts_as_they_are() -> None:
    nasty = "<b>Maker & Sons</b>"
    device = DeviceSection(
        device="pcs1",
        asset="bess01",
        driver="battery.pcs",
        endpoint="192.0.2.1:502",
        framing="tcp",
        unit=1,
        rated_kw=2000.0,
        watchdog_s=10.0,
        map="acme",
        map_source="List 4.2",
        map_sha256="ab" * 32,
        identity={"manufacturer": nasty},
        checks=(Check(name="values", verdict=Verdict.FAILED, detail="5 < 6", figures={"power": "5.0 kW"}),),
    )
    report = SiteReport(site="s", name="Site", began="b", ended="e", software="x 1", audit="/a", devices=(device,))
    tags = Tags()

    tags.feed(report_html(report))

    assert tags.open == []
    for text in (nasty, "5 < 6", "power: 5.0 kW", "List 4.2", "1 check failed", "Signature, place and date"):
        assert text in tags.text
