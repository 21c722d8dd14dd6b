"""Alarms of devices as events: what begins, what ends, and what is unknown."""

from dataclasses import replace

import pytest

from ems.model.alarm import AlarmPriority
from ems.model.readings import BmsReading, GensetReading, PcsReading, RackReading, Reading
from ems.runtime.alarms import AlarmChange, AlarmWatch
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


def told(watch: AlarmWatch, reading: Reading | None, *, asset: str = "bess01", at_s: float = 0.0) -> list[str]:
    return [change.text for change in changes(watch, reading, asset=asset, at_s=at_s)]


def changes(
    watch: AlarmWatch, reading: Reading | None, *, asset: str = "bess01", at_s: float = 0.0
) -> tuple[AlarmChange, ...]:
    return watch.look([ShownDevice(asset_id=asset, shown=reading)], now_s=at_s)


def test_an_alarm_is_told_once_when_it_begins_with_its_priority() -> None:
    watch = AlarmWatch(SITE)
    hot = replace(PCS, faults=("over temperature",), warnings=("fan",))

    first = changes(watch, hot)
    again = changes(watch, replace(hot, at_s=1.0), at_s=1.0)

    assert {(change.text, change.priority, change.began) for change in first} == {
        ("bess01-device: fault 'over temperature'", AlarmPriority.FAULT, True),
        ("bess01-device: warning 'fan'", AlarmPriority.WARNING, True),
    }
    assert again == ()


def test_an_alarm_is_over_when_it_has_been_away_for_ten_seconds() -> None:
    watch = AlarmWatch(SITE)
    changes(watch, replace(PCS, faults=("over temperature",)))

    gone = [told(watch, replace(PCS, at_s=at_s), at_s=at_s) for at_s in (1.0, 10.0, 11.0, 12.0)]

    assert gone == [[], [], ["bess01-device: fault 'over temperature' is over"], []]


def test_an_alarm_that_flickers_is_one_event() -> None:
    watch = AlarmWatch(SITE)
    hot = replace(PCS, faults=("over temperature",))

    seen = [told(watch, hot if second % 4 == 0 else PCS, at_s=float(second)) for second in range(40)]

    assert [texts for texts in seen if texts] == [["bess01-device: fault 'over temperature'"]]


@pytest.mark.parametrize(
    "silent",
    [None, replace(PCS, faults=None), replace(PCS, faults=None, bad={"faults": "no answer within 0.5 s"})],
    ids=["no reading", "absent", "bad"],
)
def test_what_a_device_does_not_tell_ends_no_alarm(silent: Reading | None) -> None:
    watch = AlarmWatch(SITE)
    changes(watch, replace(PCS, faults=("over temperature",)))

    for second in range(1, 60):
        assert told(watch, silent, at_s=float(second)) == []

    assert told(watch, PCS, at_s=60.0) == []
    assert told(watch, PCS, at_s=70.0) == ["bess01-device: fault 'over temperature' is over"]


def test_alarms_of_racks_say_which_rack() -> None:
    racks = (RackReading(number=1, alarms=()), RackReading(number=2, alarms=("insulation low",)))

    assert told(AlarmWatch(SITE), replace(BMS, alarm=True, racks=racks), asset="c01") == [
        "c01-device, rack 2: fault 'insulation low'"
    ]


def test_a_bms_without_names_says_that_there_is_an_alarm() -> None:
    assert told(AlarmWatch(SITE), replace(BMS, alarm=True), asset="c01") == ["c01-device: fault 'alarm of the BMS'"]
    assert told(AlarmWatch(SITE), replace(BMS, alarm=True, faults=("cell too warm",)), asset="c01") == [
        "c01-device: fault 'cell too warm'"
    ]


def test_a_genset_has_warnings_and_faults_too() -> None:
    texts = told(AlarmWatch(SITE), GENSET, asset="gen01")

    assert texts == ["gen01-device: warning 'fuel level low'", "gen01-device: fault 'oil pressure low'"]


def test_racks_that_are_too_far_apart_are_a_warning_until_they_are_well_within_again() -> None:
    pool = replace(SITE.batteries[0], rack_spread_max_pct=8.0)
    container = pool.blocks[0].container_ids[0]
    watch = AlarmWatch(replace(SITE, batteries=(pool,)))

    def seen(spread_pct: float | None, at_s: float) -> list[str]:
        highest = None if spread_pct is None else 40.0 + spread_pct
        reading = replace(BMS, rack_soc_min_pct=40.0, rack_soc_max_pct=highest)
        return [text.partition(": ")[2][:35] for text in told(watch, reading, asset=container, at_s=at_s)]

    began = [seen(7.9, 0.0), seen(8.1, 10.0), seen(7.0, 20.0), seen(None, 40.0)]
    ended = [seen(6.0, 60.0), seen(6.0, 71.0)]

    assert began == [[], ["warning 'the SoC of its racks is mo"], [], []]
    assert ended == [[], ["warning 'the SoC of its racks is mo"]]
