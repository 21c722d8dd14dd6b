"""Alarms of devices: what stands, what ends, and what is unknown."""

from dataclasses import replace

import pytest

from ems.model.annunciation import Finding
from ems.model.readings import BmsReading, GensetReading, PcsReading, RackReading, Reading
from ems.runtime.alarms import AlarmWatch
from tests.control.scene import small
from tests.runtime.fakes import ShownDevice

SITE = small("desert-offgrid")
PCS = PcsReading(
    device_id="bess01-device",
    at_s=0.0,
    power_kw=0.0,
    setpoint_kw=0.0,
    forming=False,
    ready=True,
    remote=True,
    fallback_armed=True,
    frequency_hz=50.0,
    discharge_wh=0,
    charge_wh=0,
    warnings=(),
    faults=(),
)
BMS = BmsReading(
    device_id="c01-device",
    at_s=0.0,
    soc_pct=50.0,
    soh_pct=100.0,
    max_charge_kw=100.0,
    max_discharge_kw=100.0,
    cell_max_degc=25.0,
    cell_min_degc=24.0,
    cell_max_v=3.3,
    cell_min_v=3.3,
    alarm=False,
)
GENSET = GensetReading(
    device_id="gen01-device",
    at_s=0.0,
    phase=None,
    power_kw=None,
    setpoint_kw=None,
    breaker_closed=None,
    remote=None,
    energy_wh=None,
    fuel_used_l=None,
    run_h=None,
    n_starts=None,
    warnings=("fuel level low",),
    shutdowns=("oil pressure low",),
    trips=(),
)


def standing(
    watch: AlarmWatch, reading: Reading | None, *, asset: str = "bess01", at_s: float = 0.0
) -> tuple[Finding, ...]:
    return watch.look([ShownDevice(asset_id=asset, shown=reading)], now_s=at_s)


def texts(watch: AlarmWatch, reading: Reading | None, *, asset: str = "bess01", at_s: float = 0.0) -> list[str]:
    return [finding.text for finding in standing(watch, reading, asset=asset, at_s=at_s)]


def test_an_alarm_stands_with_its_kind_and_name() -> None:
    watch = AlarmWatch(SITE)
    hot = replace(PCS, faults=("over temperature",), warnings=("fan",))

    first = standing(watch, hot)
    again = standing(watch, replace(hot, at_s=1.0), at_s=1.0)

    assert {(finding.id, finding.text) for finding in first} == {
        ("device_fault:bess01-device_over_temperature", "bess01-device: fault 'over temperature'"),
        ("device_warning:bess01-device_fan", "bess01-device: warning 'fan'"),
    }
    assert again == first


HOT = "bess01-device: fault 'over temperature'"


def test_an_alarm_is_over_when_it_has_been_away_for_ten_seconds() -> None:
    watch = AlarmWatch(SITE)
    texts(watch, replace(PCS, faults=("over temperature",)))

    gone = [texts(watch, replace(PCS, at_s=at_s), at_s=at_s) for at_s in (1.0, 10.0, 11.0, 12.0)]

    assert gone == [[HOT], [HOT], [], []]


def test_an_alarm_that_flickers_stands() -> None:
    watch = AlarmWatch(SITE)
    hot = replace(PCS, faults=("over temperature",))

    seen = [texts(watch, hot if second % 4 == 0 else PCS, at_s=float(second)) for second in range(40)]

    assert seen == [[HOT]] * 40


@pytest.mark.parametrize(
    "silent",
    [None, replace(PCS, faults=None), replace(PCS, faults=None, bad={"faults": "no answer within 0.5 s"})],
    ids=["no reading", "absent", "bad"],
)
def test_what_a_device_does_not_tell_ends_no_alarm(silent: Reading | None) -> None:
    watch = AlarmWatch(SITE)
    texts(watch, replace(PCS, faults=("over temperature",)))

    for second in range(1, 60):
        assert texts(watch, silent, at_s=float(second)) == [HOT]

    assert texts(watch, PCS, at_s=60.0) == [HOT]
    assert texts(watch, PCS, at_s=70.0) == []


def test_alarms_of_racks_say_which_rack() -> None:
    racks = (RackReading(number=1, alarms=()), RackReading(number=2, alarms=("insulation low",)))

    assert texts(AlarmWatch(SITE), replace(BMS, alarm=True, racks=racks), asset="c01") == [
        "c01-device, rack 2: fault 'insulation low'"
    ]


def test_a_bms_without_names_says_that_there_is_an_alarm() -> None:
    assert texts(AlarmWatch(SITE), replace(BMS, alarm=True), asset="c01") == ["c01-device: fault 'alarm of the BMS'"]
    assert texts(AlarmWatch(SITE), replace(BMS, alarm=True, faults=("cell too warm",)), asset="c01") == [
        "c01-device: fault 'cell too warm'"
    ]


def test_a_genset_has_warnings_and_faults_too() -> None:
    seen = texts(AlarmWatch(SITE), GENSET, asset="gen01")

    assert seen == ["gen01-device: warning 'fuel level low'", "gen01-device: fault 'oil pressure low'"]


def test_racks_that_are_too_far_apart_are_a_warning_until_they_are_well_within_again() -> None:
    pool = replace(SITE.batteries[0], rack_spread_max_pct=8.0)
    container = pool.blocks[0].container_ids[0]
    watch = AlarmWatch(replace(SITE, batteries=(pool,)))

    def seen(spread_pct: float | None, at_s: float) -> list[str]:
        highest = None if spread_pct is None else 40.0 + spread_pct
        reading = replace(BMS, rack_soc_min_pct=40.0, rack_soc_max_pct=highest)
        return [text.partition(": ")[2][:35] for text in texts(watch, reading, asset=container, at_s=at_s)]

    wide = ["warning 'the SoC of its racks is mo"]
    seen_over_time = [
        seen(7.9, 0.0),
        seen(8.1, 10.0),
        seen(7.0, 20.0),
        seen(None, 40.0),
        seen(6.0, 60.0),
        seen(6.0, 71.0),
    ]

    assert seen_over_time == [[], wide, wide, wide, wide, []]
