"""One wrong sample inside its range, as a turned bit leaves it on Modbus TCP: control bears it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from ems.control.state import Mode
from ems.control.step import Decision, step
from ems.model.plan import Plan
from ems.model.site import Site
from ems.model.snapshot import SiteSnapshot
from tests.control.scene import at, flat_plan, genset_kw, healthy, small, steady, with_sets

DESERT = small("desert-offgrid")
POOL = DESERT.batteries[0]
SET = DESERT.gensets[0]
STORE_KWH = len(POOL.blocks) * POOL.block_kwh
# one cycle before the wrong sample, one with it, five after it
N_CYCLES, WRONG = 7, 1
Change = Callable[[SiteSnapshot], SiteSnapshot]


def first_block(**values: object) -> Change:
    return lambda image: replace(image, blocks=(replace(image.blocks[0], **values), *image.blocks[1:]))  # type: ignore[arg-type]


def first_set(**values: object) -> Change:
    return lambda image: replace(image, gensets=(replace(image.gensets[0], **values), *image.gensets[1:]))  # type: ignore[arg-type]


def load(load_kw: float) -> Change:
    return lambda image: replace(image, it=replace(image.it, load_kw=load_kw, load_max_kw=load_kw))


SAMPLES: Mapping[str, Change] = {
    "a block delivers 1.5 times its rating": first_block(power_kw=1.5 * POOL.pcs_kw),
    "a block charges 1.5 times its rating": first_block(power_kw=-1.5 * POOL.pcs_kw),
    "a block delivers nothing": first_block(power_kw=0.0),
    "a block is not ready": first_block(ready=False),
    "a block raises an alarm": first_block(alarm=True),
    "a block may discharge nothing": first_block(max_discharge_kw=0.0),
    "a set delivers 1.5 times its rating": first_set(power_kw=1.5 * SET.rated_kw),
    "a set delivers nothing": first_set(power_kw=0.0),
    "the load is gone": load(0.0),
    "the load is half as much again": load(1.5 * 0.8 * DESERT.it.design_kw),
    "the frequency is low": lambda image: replace(image, frequency_hz=40.0),
    "the frequency is high": lambda image: replace(image, frequency_hz=65.0),
    "the tank is empty": lambda image: replace(image, tank_l=0.0),
}


def course(site: Site, picture: SiteSnapshot, plan: Plan, *, wrong: Change | None) -> list[Decision]:
    """Return the decisions of some cycles, one of them with a wrong sample."""
    state = steady(site, picture, Mode.ISLAND)
    decisions = []
    for cycle in range(N_CYCLES):
        image = at(picture, picture.at_s + cycle * site.control.period_s)
        if wrong is not None and cycle == WRONG:
            image = wrong(image)
        decision = step(site, image, plan, state)
        state = decision.state
        decisions.append(decision)
    return decisions


@pytest.mark.parametrize("wrong", SAMPLES.values(), ids=SAMPLES.keys())
def test_one_wrong_sample_starts_and_stops_nothing_and_is_forgotten(wrong: Change) -> None:
    picture = with_sets(healthy(DESERT, soc_pct=70.0), {"gen01": 1500.0})
    plan = flat_plan(DESERT, n_on=1, genset_kw=1500.0, load_kw=5000.0, stored_kwh=0.7 * STORE_KWH)

    undisturbed = course(DESERT, picture, plan, wrong=None)
    disturbed = course(DESERT, picture, plan, wrong=wrong)

    assert [decision.change for decision in disturbed] == [None] * N_CYCLES
    runs = [{genset.id: genset.run for genset in decision.setpoints.gensets} for decision in disturbed]
    assert runs == [{"gen01": True, "gen02": False, "gen03": False}] * N_CYCLES
    for decision in disturbed:
        assert all(
            -POOL.max_charge_kw <= block.power_kw <= POOL.max_discharge_kw for block in decision.setpoints.blocks
        )
    for before, after in zip(undisturbed[-1].setpoints.blocks, disturbed[-1].setpoints.blocks, strict=True):
        assert after.power_kw == pytest.approx(before.power_kw, abs=0.02 * POOL.pcs_kw)
    for usual, now in zip(undisturbed[-1].setpoints.gensets, disturbed[-1].setpoints.gensets, strict=True):
        assert now.power_kw == pytest.approx(usual.power_kw, abs=0.02 * SET.rated_kw)


def test_a_set_that_is_being_trimmed_takes_a_share_of_a_wrong_sample_and_gives_it_back() -> None:
    picture = with_sets(healthy(DESERT, soc_pct=70.0), {"gen01": 1500.0})
    plan = flat_plan(DESERT, n_on=1, genset_kw=1500.0, load_kw=5000.0, stored_kwh=0.3 * STORE_KWH)
    wrong = SAMPLES["a block charges 1.5 times its rating"]

    powers = [genset_kw(decision) for decision in course(DESERT, picture, plan, wrong=wrong)]

    assert powers[0] == pytest.approx(1500.0)
    assert SET.min_stable_kw <= powers[WRONG] < 1500.0
    assert powers[WRONG:] == sorted(powers[WRONG:])
