"""What keeping the ramp of the connection contract costs: against the same cycle without it."""

from dataclasses import replace

import pytest

from ems.control.state import Mode
from ems.control.step import Decision, step
from ems.model.setpoints import BlockSetpoint, Setpoints
from ems.runtime.smoothing import SmoothingBook
from tests.control.scene import flat_plan, healthy, small, steady

CAMPUS = small("weak-grid-campus")
POOL = CAMPUS.batteries[0]
PRICE_PER_KWH = 0.2


def _decision(*, storage_kw: float, smoothing_kw: float, short_kw: float = 0.0) -> Decision:
    picture = healthy(CAMPUS)
    plan = flat_plan(CAMPUS, load_kw=5000.0, stored_kwh=4e4)
    decision = step(CAMPUS, picture, plan, steady(CAMPUS, picture, Mode.GRID))
    setpoints = Setpoints(blocks=(BlockSetpoint(id=POOL.blocks[0].id, power_kw=storage_kw),))
    return replace(decision, setpoints=setpoints, smoothing_kw=smoothing_kw, ramp_short_kw=short_kw)


def _book(*decisions: Decision) -> SmoothingBook:
    book = SmoothingBook(CAMPUS)
    for decision in decisions:
        book.add(decision, dt_s=3600.0, price_per_kwh=PRICE_PER_KWH)
    return book


def test_a_store_that_rests_otherwise_pays_for_both_ways() -> None:
    book = _book(_decision(storage_kw=-100.0, smoothing_kw=-100.0), _decision(storage_kw=80.0, smoothing_kw=80.0))

    loss_kwh = 100.0 * (1.0 - POOL.charge_eff_frac) + 80.0 * (1.0 / POOL.discharge_eff_frac - 1.0)
    counts = book.counts()
    assert (counts.taken_kwh, counts.given_kwh) == pytest.approx((100.0, 80.0))
    assert counts.loss_kwh == pytest.approx(loss_kwh)
    assert counts.cost == pytest.approx(loss_kwh * PRICE_PER_KWH + 80.0 * POOL.wear_cost_per_kwh)
    assert counts.active_h == pytest.approx(2.0)


def test_charging_less_saves_losses() -> None:
    # it charges with 100 instead of 300 kW
    book = _book(_decision(storage_kw=-100.0, smoothing_kw=200.0))

    assert book.given_kwh == pytest.approx(200.0)
    assert book.loss_kwh == pytest.approx(-200.0 * (1.0 - POOL.charge_eff_frac))
    assert book.cost < 0.0


def test_cycles_without_smoothing_cost_nothing_and_misses_are_timed() -> None:
    calm = _decision(storage_kw=500.0, smoothing_kw=0.0)
    short = _decision(storage_kw=0.0, smoothing_kw=0.0, short_kw=90.0)

    book = _book(calm, short)

    assert book.counts() == replace(SmoothingBook(CAMPUS).counts(), short_h=1.0)
