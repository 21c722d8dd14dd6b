"""Full charges: control follows a plan beyond the usual window, and remembers when it was full."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ems.control.full_charge import last_full
from ems.control.state import Mode
from ems.control.step import Decision, step
from ems.model.battery import FullCharges
from ems.model.site import Site
from ems.runtime.condition import condition_of
from ems.runtime.memory import control_document, restored_control
from tests.control.scene import START, flat_plan, healthy, shipped, steady

CAMPUS = shipped("weak-grid-campus")
RULE = FullCharges(every_h=720.0, window_h=12.0, missed_cost=1.0)
BALANCED = replace(CAMPUS, batteries=tuple(replace(pool, full_charges=RULE) for pool in CAMPUS.batteries))


def charged(site: Site, *, planned_end_frac: float, soc_pct: float = 95.5) -> Decision:
    """Return a cycle whose plan charges 4 MW up to a share of full."""
    picture = healthy(site, soc_pct=soc_pct)
    plan = flat_plan(site, load_kw=5000.0, storage_kw=-4000.0, stored_kwh=planned_end_frac * site.full_kwh - 4000.0)
    return step(site, picture, plan, steady(site, picture, Mode.GRID))


def storage_kw(decision: Decision) -> float:
    return sum(block.power_kw for block in decision.setpoints.blocks)


@pytest.mark.parametrize(
    ("site", "planned_end_frac", "charges"),
    [
        pytest.param(BALANCED, 1.0, True, id="a full charge is planned"),
        pytest.param(BALANCED, 0.94, False, id="none is planned"),
        pytest.param(CAMPUS, 1.0, False, id="none is configured"),
    ],
)
def test_store_is_charged_beyond_its_window_only_for_a_planned_full_charge(
    site: Site, planned_end_frac: float, *, charges: bool
) -> None:
    assert (storage_kw(charged(site, planned_end_frac=planned_end_frac)) < -100.0) is charges


def test_full_blocks_are_remembered_with_their_time() -> None:
    picture = healthy(CAMPUS, soc_pct=60.0)
    first, second, *others = picture.blocks
    full = replace(picture, blocks=(replace(first, soc_pct=99.0), replace(second, soc_pct=None), *others))
    earlier = START - timedelta(days=2)

    assert last_full(full, before={second.id: earlier}) == {first.id: picture.utc, second.id: earlier}


@pytest.mark.parametrize(("known", "since_h"), [(True, 30.0), (False, None)])
def test_condition_tells_how_long_ago_the_whole_pool_was_full(*, known: bool, since_h: float | None) -> None:
    picture = healthy(CAMPUS)
    state = steady(CAMPUS, picture, Mode.GRID)
    full: dict[str, datetime] = {block.id: picture.utc - timedelta(hours=20.0) for block in picture.blocks}
    last = picture.blocks[-1].id
    full[last] = picture.utc - timedelta(hours=30.0)
    if not known:
        del full[last]

    (pool,) = condition_of(CAMPUS, picture, replace(state, full_utc=full)).pools

    assert pool.full_since_h == (None if since_h is None else pytest.approx(since_h))


def test_memory_keeps_when_blocks_were_full() -> None:
    state = replace(steady(CAMPUS, healthy(CAMPUS), Mode.GRID), full_utc={"bess01": START})

    document = control_document(state, now_s=1000.0)

    assert restored_control(document, saved_ago_s=10.0, now_s=5.0).full_utc == {"bess01": START}
    del document["full_utc"]
    assert restored_control(document, saved_ago_s=10.0, now_s=5.0).full_utc == {}
