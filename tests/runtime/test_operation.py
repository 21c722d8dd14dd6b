"""What the ledger's record says of how the plant worked, from cycles by hand."""

import json
from dataclasses import replace
from typing import Any

import pytest

from ems.control.state import Mode
from ems.control.step import Decision, step
from ems.model.readings import GensetPhase
from ems.model.snapshot import SiteSnapshot
from ems.runtime.cycle import CycleRecord
from ems.runtime.operation import OperationMeter
from ems.runtime.prices import SitePrices
from tests.accounting.intervals import metered
from tests.control.scene import healthy, small, steady, with_sets

DESERT = small("desert-offgrid")
KIND = DESERT.gensets[0]
INTERVAL = metered({"genset": 500_000, "discharge": 100_000, "it": 500_000}, fuel_l=130.0)


def meter() -> OperationMeter:
    return OperationMeter(DESERT, SitePrices(DESERT))


def test_hours_starts_and_band_of_each_set() -> None:
    counted, picture = meter(), healthy(DESERT)
    standing = with_phase(picture, GensetPhase.STOPPED)
    running = with_sets(picture, {"gen01": 0.8 * KIND.rated_kw})
    low = with_sets(picture, {"gen01": 0.4 * KIND.rated_kw})

    for each, dt_s in ((standing, 60.0), (running, 60.0), (low, 30.0)):
        counted.add(cycle(each, dt_s=dt_s))
    taken = body(counted)

    # a set that stood still has no entry
    assert taken["gensets"] == {"gen01": {"run_s": 90, "loaded_s": 90, "band_s": 60, "n_starts": 1}}
    assert taken["genset_wear_cost_micro"] == round(
        1e6 * (90.0 / 3600.0 * KIND.run_wear_cost_per_h + KIND.start_wear_cost)
    )


def test_a_set_that_is_not_read_neither_runs_nor_has_started() -> None:
    counted, picture = meter(), healthy(DESERT)
    unread = replace(picture, gensets=tuple(replace(each, phase=None) for each in picture.gensets))

    counted.add(cycle(unread))
    counted.add(cycle(with_sets(picture, {"gen01": 0.8 * KIND.rated_kw})))

    assert body(counted)["gensets"]["gen01"]["n_starts"] == 0


def test_a_dead_bus_is_one_interruption_with_the_load_of_before() -> None:
    counted, picture = meter(), healthy(DESERT)
    dark = replace(picture, it=replace(picture.it, load_kw=0.0))
    it_kw = picture.it.load_kw
    assert it_kw is not None

    counted.add(cycle(picture))
    counted.add(cycle(dark, mode=Mode.DEAD_BUS, dt_s=20.0))
    counted.add(cycle(dark, mode=Mode.BLACK_START, dt_s=16.0))
    counted.add(cycle(picture))
    taken = body(counted)

    assert (taken["n_interruptions"], taken["interruption_s"]) == (1, 36)
    assert taken["unserved_wh"] == round(it_kw * 36.0 / 3600.0 * 1000.0)


def test_curtailed_power_counts_where_it_is_known() -> None:
    counted, picture = meter(), healthy(DESERT)
    first, *others = picture.pv
    told = replace(first, power_kw=100.0, available_kw=460.0)
    untold = [replace(each, power_kw=100.0, available_kw=None) for each in others]

    counted.add(cycle(replace(picture, pv=(told, *untold)), dt_s=10.0))

    assert body(counted)["curtailed_wh"] == 1000


def test_the_record_holds_whole_numbers_and_the_next_interval_begins_anew() -> None:
    counted, picture = meter(), healthy(DESERT)
    counted.add(cycle(picture))

    first, second = body(counted), body(counted)

    assert all(isinstance(value, int) for name, value in first.items() if name != "gensets")
    assert first["fuel_cost_micro"] == round(130.0 * DESERT.economics.diesel_price_per_l * 1e6)
    assert first["index_min_milli"] >= 0
    assert "index_min_milli" not in second


def test_a_restart_goes_on_with_the_open_interval() -> None:
    counted, later = meter(), meter()
    running = with_sets(healthy(DESERT), {"gen01": 0.8 * KIND.rated_kw})
    counted.add(cycle(running, dt_s=30.0))

    later.restore(json.loads(json.dumps(counted.document())))
    later.add(cycle(running, dt_s=30.0))

    assert body(later)["gensets"]["gen01"]["run_s"] == 60


@pytest.mark.parametrize("spoiled", [{}, {"units": {}}, {"units": {"gen01": {}}, "pollutants_g": {}}])
def test_a_document_that_is_none_is_refused(spoiled: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        meter().restore(spoiled)


def body(counted: OperationMeter) -> dict[str, Any]:
    return counted.taken(INTERVAL)


def with_phase(picture: SiteSnapshot, phase: GensetPhase) -> SiteSnapshot:
    return replace(picture, gensets=tuple(replace(each, phase=phase) for each in picture.gensets))


def cycle(picture: SiteSnapshot, *, dt_s: float = 1.0, mode: Mode = Mode.ISLAND) -> CycleRecord:
    decision: Decision = step(DESERT, picture, None, steady(DESERT, picture, Mode.ISLAND))
    decision = replace(decision, state=replace(decision.state, mode=mode))
    return CycleRecord(snapshot=picture, decision=decision, plan=None, dt_s=dt_s)
