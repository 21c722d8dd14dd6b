"""The twin's cooling units: heat shared among those that work, lags, least times of compressors, and what shows."""

from dataclasses import replace

import pytest

from drivers.sim.cooling_units import TwinUnits, fan_kw, twin_units
from ems.model.load import CoolingPlant
from tests.control.scene import shipped

PLANT: CoolingPlant = shipped("liquid-cooled-hall").cooling
HEAT_KW_TH = 1200.0
# what the CDUs take of it
LIQUID_KW_TH = HEAT_KW_TH * PLANT.liquid_share_frac


def run(units: TwinUnits, *, for_s: float, ambient_degc: float = 25.0, load_kw: float = 200.0) -> TwinUnits:
    for _ in range(round(for_s)):
        units.advance(heat_kw_th=HEAT_KW_TH, load_kw=load_kw, ambient_degc=ambient_degc, dt_s=1.0)
    return units


def at_work(ambient_degc: float = 25.0) -> TwinUnits:
    return run(twin_units(PLANT, ambient_degc=ambient_degc), for_s=1800.0, ambient_degc=ambient_degc)


def test_a_site_without_units_has_none_in_the_twin() -> None:
    units = twin_units(replace(PLANT, cdus=None, chillers=None, dry_coolers=None), ambient_degc=20.0)

    run(units, for_s=1.0)

    assert (units.cdus, units.chillers, units.dry_coolers, units.heat_missing_kw_th) == ((), (), (), 0.0)


def test_the_liquid_share_of_the_heat_is_split_evenly() -> None:
    units = at_work()

    assert [cdu.heat_kw_th for cdu in units.cdus] == [pytest.approx(LIQUID_KW_TH / 4.0)] * 4
    assert sum(cooler.heat_kw_th for cooler in units.dry_coolers) == pytest.approx(LIQUID_KW_TH)
    assert units.heat_missing_kw_th == 0.0


def test_the_water_balance_of_a_cdu_holds_on_both_sides() -> None:
    cdu = at_work().cdus[0]

    racks_kw_th = 1.163 * cdu.flow_m3_per_h * (cdu.return_degc - cdu.supply_degc)
    facility_kw_th = 1.163 * cdu.facility_flow_m3_per_h * (cdu.facility_return_degc - cdu.facility_supply_degc)

    assert racks_kw_th == pytest.approx(cdu.heat_kw_th)
    assert facility_kw_th == pytest.approx(cdu.heat_kw_th)


def test_a_unit_with_a_leak_hands_its_heat_to_the_others_and_loses_its_coolant() -> None:
    units = at_work()
    units.cdus[1].leak = True

    run(units, for_s=600.0)

    assert units.cdus[1].heat_kw_th == 0.0
    assert units.cdus[1].level_pct == pytest.approx(92.0 - 600.0 * 0.02)
    assert units.cdus[0].heat_kw_th == pytest.approx(LIQUID_KW_TH / 3.0)


def test_heat_that_no_unit_can_take_is_missing() -> None:
    units = at_work()
    for cdu in units.cdus[1:]:
        cdu.leak = True

    run(units, for_s=10.0)

    assert units.heat_missing_kw_th == pytest.approx(LIQUID_KW_TH - 500.0)


def test_failed_pumps_show_as_low_flow() -> None:
    units = at_work()
    before = units.cdus[0].low_flow
    units.cdus[0].pump_failed = True

    run(units, for_s=60.0)

    assert (before, units.cdus[0].low_flow) == (False, True)


def test_the_supply_follows_its_setpoint_in_tens_of_seconds() -> None:
    units = at_work()
    cdu = units.cdus[0]
    start_degc = cdu.supply_degc
    cdu.setpoint_degc = start_degc + 4.0

    run(units, for_s=40.0)
    soon_degc = cdu.supply_degc
    run(units, for_s=260.0)

    assert soon_degc == pytest.approx(start_degc + 4.0 * 0.632, abs=0.1)
    assert cdu.supply_degc == pytest.approx(start_degc + 4.0, abs=0.05)


def test_the_supply_is_never_colder_than_facility_water_allows() -> None:
    units = at_work()
    for cdu in units.cdus:
        cdu.setpoint_degc = 15.0

    run(units, for_s=600.0)

    assert all(cdu.supply_degc > cdu.facility_supply_degc for cdu in units.cdus)
    assert min(cdu.facility_supply_degc for cdu in units.cdus) >= PLANT.facility_supply_degc


def test_a_cdu_goes_back_to_its_panels_setpoint_when_nobody_asks_it_anything() -> None:
    units = at_work()
    cdu = units.cdus[0]
    cdu.watchdog_s, cdu.silent_s, cdu.setpoint_degc = 60.0, 0.0, cdu.local_degc + 3.0

    run(units, for_s=60.0)
    held_degc = cdu.setpoint_degc
    run(units, for_s=2.0)

    assert (held_degc, cdu.setpoint_degc) == (cdu.local_degc + 3.0, cdu.local_degc)


def test_a_compressor_keeps_its_least_run_and_off_times() -> None:
    units = at_work()
    (chiller, *_) = [each for each in units.chillers if each.running]
    chiller.since_s = 0.0

    changes = []
    was = chiller.running
    for second in range(3600):
        # a night in which outdoor air does it, and a day in which it does not, in turns of a minute
        ambient_degc = -10.0 if second // 60 % 2 else 30.0
        units.advance(heat_kw_th=HEAT_KW_TH, load_kw=200.0, ambient_degc=ambient_degc, dt_s=1.0)
        if chiller.running is not was:
            changes.append(second)
            was = chiller.running

    assert changes
    assert min(later - one for one, later in zip([0, *changes], changes, strict=False)) >= 599


def test_a_chiller_with_a_fault_stops_at_once_and_another_takes_over() -> None:
    units = at_work()
    (first, *_) = [each for each in units.chillers if each.running]
    first.fault = "freezestat"

    run(units, for_s=2.0)

    assert first.running is False
    assert [each.running for each in units.chillers if each is not first] == [True]


@pytest.mark.parametrize(("ambient_degc", "faster"), [(15.0, False), (32.0, True)])
def test_fans_follow_the_air(ambient_degc: float, *, faster: bool) -> None:
    mild = at_work(25.0).dry_coolers[0].fan_frac

    other = at_work(ambient_degc).dry_coolers[0].fan_frac

    assert (other > mild) is faster


def test_units_draw_no_more_than_the_plant() -> None:
    units = at_work()

    fans_kw = sum(fan_kw(PLANT, cooler) for cooler in units.dry_coolers)
    chillers_kw = sum(chiller.load_kw for chiller in units.chillers)

    assert fans_kw > 0.0
    assert fans_kw + chillers_kw <= 200.0 + 1e-9
