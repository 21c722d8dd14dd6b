"""Reserve formulas against worked figures: requirements, energy, SoC floor, and the worst loss."""

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ems.model.genset import GensetClass
from ems.model.problem import Contingency, ContingencyKind, Loss
from ems.model.site import ReservePolicy
from ems.reserve import (
    Assessment,
    ClassRequirement,
    GensetUnit,
    GridUnit,
    GroupLimit,
    Operation,
    PvUnit,
    Requirement,
    ReserveId,
    RestingSets,
    StorageUnit,
    assess,
    checkpoint_kwh,
    down_headroom_kw,
    gap_kwh,
    lead_kwh,
    lead_time_s,
    requirement,
    reserve_kwh,
    set_is_needed,
    sets_are_needed,
    soc_floor_pct,
    start_failures,
    up_headroom_kw,
    variation_kw,
    without_set,
)
from tests.dispatch.sites import site

CASES = settings(derandomize=True, deadline=None, max_examples=200)
DESERT = site("desert-offgrid")

# 18 MW critical load, 80 MWh; three attempts, 2 s detection, 30 s crank and rest, 15 s start, 15 s sync, 60 s ramp
POLICY = ReservePolicy(
    survive=(ContingencyKind.GENSET, ContingencyKind.BLOCK),
    swing_kw=300.0,
    pv_drop_r0_frac=0.0,
    pv_drop_r1_frac=0.15,
    sustain_s=300.0,
    gap_margin_frac=0.3,
    checkpoint_s=900.0,
    checkpoint_load_frac=0.6,
    black_start_kwh=1000.0,
    lead_s=600.0,
    forecast_error_pv_frac=0.15,
    forecast_error_load_frac=0.05,
)
SETS: GensetClass = replace(
    DESERT.gensets[0],
    attempts=3,
    detect_s=2.0,
    crank_s=15.0,
    rest_s=15.0,
    start_s=15.0,
    sync_s=15.0,
    ramp_frac_per_s=1.0 / 60.0,
)


def test_time_to_fix_counts_every_attempt_but_the_last_as_failed() -> None:
    # 2 + 2 * 30 + 15 + 15
    assert SETS.fix_s == pytest.approx(92.0)
    assert SETS.carry_s == pytest.approx(152.0)


def test_energy_until_the_sets_carry_is_that_of_the_worked_example() -> None:
    energy_kwh = gap_kwh(POLICY, load_kw=18000.0, fix_s=92.0, ramp_s=60.0, discharge_eff_frac=0.95)

    # 18 MW for 122 s, with losses and 30 % margin: 0.83 MWh
    assert energy_kwh == pytest.approx(18000.0 * 122.0 / 3600.0 / 0.95 * 1.3)
    assert energy_kwh == pytest.approx(830.0, abs=10.0)


def test_energy_of_a_checkpoint_is_that_of_the_worked_example() -> None:
    assert checkpoint_kwh(POLICY, load_kw=18000.0) == pytest.approx(2700.0)


def test_reserve_energy_adds_gap_checkpoint_and_black_start() -> None:
    energy_kwh = reserve_kwh(POLICY, load_kw=18000.0, gensets=(SETS,), discharge_eff_frac=0.95)

    assert energy_kwh == pytest.approx(835.0 + 2700.0 + 1000.0, abs=1.0)


def test_slowest_class_sets_the_reserve_energy() -> None:
    slow = replace(SETS, start_s=115.0)

    both = reserve_kwh(POLICY, load_kw=18000.0, gensets=(SETS, slow), discharge_eff_frac=1.0)

    # 100 s more at 18 MW with the margin
    only = reserve_kwh(POLICY, load_kw=18000.0, gensets=(SETS,), discharge_eff_frac=1.0)
    assert both - only == pytest.approx(18000.0 * 100.0 / 3600.0 * 1.3)


def test_floor_of_the_worked_example_is_about_14_percent() -> None:
    pool = replace(DESERT.batteries[0], soc_tech_min_pct=5.0, soc_error_pct=3.0, discharge_eff_frac=0.95)
    worked = replace(DESERT, batteries=(pool,), gensets=(SETS,), reserve=POLICY)

    floor_pct = soc_floor_pct(worked, load_kw=18000.0, full_kwh=80000.0)

    assert floor_pct == pytest.approx(13.67, abs=0.01)


def test_floor_of_a_faded_battery_is_higher() -> None:
    new = soc_floor_pct(DESERT, load_kw=5000.0, full_kwh=DESERT.full_kwh)
    faded = soc_floor_pct(DESERT, load_kw=5000.0, full_kwh=0.8 * DESERT.full_kwh)

    pool = DESERT.batteries[0]
    fixed_pct = pool.soc_tech_min_pct + pool.soc_error_pct
    assert faded - fixed_pct == pytest.approx((new - fixed_pct) / 0.8)


def test_lead_time_is_start_to_load_and_the_margin() -> None:
    assert lead_time_s(POLICY, (SETS,)) == pytest.approx(752.0)
    assert lead_time_s(POLICY, ()) == pytest.approx(600.0)


@pytest.mark.parametrize(("deficit_kw", "energy_kwh"), [(3600.0, 752.0 / 0.95), (-3600.0, 0.0)])
def test_lead_energy_covers_a_deficit_and_no_surplus(deficit_kw: float, energy_kwh: float) -> None:
    assert lead_kwh(deficit_kw, lead_s=752.0, discharge_eff_frac=0.95) == pytest.approx(energy_kwh)


def test_variation_adds_swing_and_job_step_as_squares_within_ten_seconds() -> None:
    assert variation_kw(POLICY, ReserveId.R0, job_step_kw=400.0) == pytest.approx(300.0)
    assert variation_kw(POLICY, ReserveId.R1, job_step_kw=400.0) == pytest.approx(500.0)


def test_measured_swing_counts_where_it_is_larger() -> None:
    assert variation_kw(POLICY, ReserveId.R0, job_step_kw=0.0, swing_kw=450.0) == pytest.approx(450.0)
    assert variation_kw(POLICY, ReserveId.R0, job_step_kw=0.0, swing_kw=100.0) == pytest.approx(300.0)


def test_requirement_counts_sets_only_within_ten_seconds() -> None:
    asked = requirement(POLICY, job_step_kw=400.0)

    assert [(each.id, each.gensets_count, each.pv_drop_frac) for each in asked.classes] == [
        (ReserveId.R0, False, 0.0),
        (ReserveId.R1, True, 0.15),
    ]
    assert asked.sustain_s == 300.0
    assert asked.survive == {ContingencyKind.GENSET, ContingencyKind.BLOCK}


def block(
    name: str, power_kw: float, *, limit_kw: float = 100.0, usable_kwh: float = 100.0, room_kwh: float = 100.0
) -> StorageUnit:
    return StorageUnit(
        id=name,
        member="bess",
        power_kw=power_kw,
        max_discharge_kw=limit_kw,
        max_charge_kw=limit_kw,
        usable_kwh=usable_kwh,
        room_kwh=room_kwh,
        charge_eff_frac=1.0,
        discharge_eff_frac=1.0,
    )


def genset(name: str, power_kw: float, *, step_kw: float = 30.0) -> GensetUnit:
    return GensetUnit(id=name, member="diesel", power_kw=power_kw, max_kw=100.0, min_kw=30.0, step_kw=step_kw)


def operation(
    *,
    storage: tuple[StorageUnit, ...] = (),
    gensets: tuple[GensetUnit, ...] = (),
    pv: tuple[PvUnit, ...] = (),
    grid: GridUnit | None = None,
    load_block_kw: float = 0.0,
) -> Operation:
    return Operation(storage=storage, gensets=gensets, pv=pv, grid=grid, largest_load_block_kw=load_block_kw)


def asked(
    *survive: ContingencyKind, r0_kw: float = 0.0, r1_kw: float = 0.0, drop_frac: float = 0.0, sustain_s: float = 360.0
) -> Requirement:
    return Requirement(
        classes=(
            ClassRequirement(id=ReserveId.R0, gensets_count=False, variation_kw=r0_kw, pv_drop_frac=0.0),
            ClassRequirement(id=ReserveId.R1, gensets_count=True, variation_kw=r1_kw, pv_drop_frac=drop_frac),
        ),
        survive=frozenset(survive),
        sustain_s=sustain_s,
    )


def figures(assessments: tuple[Assessment, ...]) -> list[tuple[str, float, float]]:
    return [(each.contingency, each.required_kw, each.held_kw) for each in assessments]


ALL = (ContingencyKind.GRID, ContingencyKind.GENSET, ContingencyKind.BLOCK, ContingencyKind.PV_BLOCK)
TWO_AND_TWO = operation(
    storage=(block("b1", 50.0), block("b2", 50.0)), gensets=(genset("g1", 80.0), genset("g2", 80.0))
)


def test_nothing_lost_leaves_all_headroom_against_the_variation() -> None:
    r0, r1, _ = figures(assess(TWO_AND_TWO, asked(r0_kw=10.0, r1_kw=25.0)))

    # 2 * 50 of storage; within ten seconds 2 * 20 of the sets too
    assert r0 == ("none", 10.0, 100.0)
    assert r1 == ("none", 25.0, 140.0)


def test_lost_block_takes_its_output_and_its_headroom() -> None:
    r0, r1, _ = figures(assess(TWO_AND_TWO, asked(ContingencyKind.BLOCK, r0_kw=10.0, r1_kw=25.0)))

    assert r0 == ("b1", 60.0, 50.0)
    assert r1 == ("b1", 75.0, 90.0)


def test_lost_set_is_carried_by_storage_alone_within_100_milliseconds() -> None:
    r0, r1, _ = figures(assess(TWO_AND_TWO, asked(ContingencyKind.GENSET, r0_kw=10.0, r1_kw=25.0)))

    assert r0 == ("g1", 90.0, 100.0)
    # the other set's 20 kW help within ten seconds
    assert r1 == ("g1", 105.0, 120.0)


def test_worst_loss_is_the_one_with_the_least_margin() -> None:
    # the lost block leaves 50 against 60 kW, the lost set 100 against 90 kW
    r0, *_ = assess(TWO_AND_TWO, asked(ContingencyKind.GENSET, ContingencyKind.BLOCK, r0_kw=10.0))

    assert (r0.contingency, r0.margin_kw) == ("b1", -10.0)


def test_lost_grid_takes_its_import_and_its_headroom() -> None:
    on_grid = replace(TWO_AND_TWO, grid=GridUnit(import_kw=70.0, import_limit_kw=200.0, export_limit_kw=0.0))

    with_grid, *_ = figures(assess(on_grid, asked(r0_kw=10.0)))
    without_grid, *_ = figures(assess(on_grid, asked(ContingencyKind.GRID, r0_kw=10.0)))

    assert with_grid == ("none", 10.0, 230.0)
    assert without_grid == ("grid", 80.0, 100.0)


def test_cloud_and_lost_pv_block_count_as_far_as_pv_is_used() -> None:
    def pv(used_kw: float) -> tuple[PvUnit, ...]:
        return tuple(
            PvUnit(id=name, member="pv", power_kw=used_kw, available_kw=100.0, frequency_watt_credit_frac=0.5)
            for name in ("p1", "p2")
        )

    full = assess(replace(TWO_AND_TWO, pv=pv(100.0)), asked(ContingencyKind.PV_BLOCK, drop_frac=0.15))
    curtailed = assess(replace(TWO_AND_TWO, pv=pv(60.0)), asked(ContingencyKind.PV_BLOCK, drop_frac=0.15))

    # 15 % of 200 kW are felt at full use, none of it at 60 %
    assert [full[1].required_kw, full[1].held_kw] == pytest.approx([130.0, 140.0])
    assert [curtailed[1].required_kw, curtailed[1].held_kw] == pytest.approx([60.0, 140.0])


@pytest.mark.parametrize(("usable_kwh", "headroom_kw"), [(100.0, 50.0), (3.0, 30.0), (0.0, 0.0)])
def test_upward_headroom_is_what_the_energy_sustains(usable_kwh: float, headroom_kw: float) -> None:
    # 3 kWh for 0.1 h
    assert up_headroom_kw(block("b", 50.0, usable_kwh=usable_kwh), sustain_s=360.0) == pytest.approx(headroom_kw)


def test_charging_block_has_headroom_beyond_its_discharge_limit() -> None:
    assert up_headroom_kw(block("b", -80.0), sustain_s=360.0) == pytest.approx(180.0)


@pytest.mark.parametrize(
    ("power_kw", "room_kwh", "headroom_kw"),
    [(50.0, 100.0, 150.0), (50.0, 0.0, 50.0), (-80.0, 0.0, 0.0), (0.0, 3.0, 30.0)],
)
def test_downward_headroom_needs_room_only_beyond_the_present_discharge(
    power_kw: float, room_kwh: float, headroom_kw: float
) -> None:
    assert down_headroom_kw(block("b", power_kw, room_kwh=room_kwh), sustain_s=360.0) == pytest.approx(headroom_kw)


def test_falling_load_finds_room_in_storage_import_and_quick_pv() -> None:
    pv = (PvUnit(id="p1", member="pv", power_kw=80.0, available_kw=80.0, frequency_watt_credit_frac=0.5),)
    grid = GridUnit(import_kw=70.0, import_limit_kw=200.0, export_limit_kw=20.0)

    state = operation(storage=(block("b1", 10.0),), pv=pv, grid=grid, load_block_kw=125.0)

    *_, down = figures(assess(state, asked()))
    # 110 of the block, 40 of the PV, 90 of the grid; sets cannot fall within 100 ms
    assert down == ("load_block", 125.0, 240.0)


def test_lost_charging_block_must_fit_into_the_others() -> None:
    state = operation(storage=(block("b1", -70.0), block("b2", -70.0)))

    *_, down = figures(assess(state, asked(ContingencyKind.BLOCK)))

    assert down == ("b1", 70.0, 30.0)


def test_stopped_set_hands_its_power_to_storage_equally() -> None:
    after = without_set(TWO_AND_TWO, "g1")

    assert [unit.power_kw for unit in after.storage] == [90.0, 90.0]
    assert [unit.id for unit in after.gensets] == ["g2"]


@pytest.mark.parametrize(("variation_kw_asked", "needed"), [(30.0, True), (20.0, False)])
def test_set_is_needed_where_stopping_it_leaves_a_requirement_short(
    variation_kw_asked: float,
    *,
    needed: bool,
) -> None:
    # after the stop both blocks deliver 90 of 100 kW: 20 kW are left
    assert set_is_needed(TWO_AND_TWO, "g1", asked(r0_kw=variation_kw_asked)) is needed


def test_set_that_does_not_change_a_shortfall_is_not_needed_for_it() -> None:
    # 0.5 kWh sustain 5 kW per block, with the set and without it
    drained = operation(
        storage=(block("b1", 0.0, usable_kwh=0.5), block("b2", 0.0, usable_kwh=0.5)), gensets=(genset("g1", 40.0),)
    )

    assert not set_is_needed(drained, "g1", asked(r0_kw=30.0))


@pytest.mark.parametrize(("variation_kw_asked", "needed"), [(1.0, True), (0.0, False)])
def test_sets_are_needed_together_where_storage_alone_would_be_short(
    variation_kw_asked: float, *, needed: bool
) -> None:
    # 160 kW of the sets go to two blocks that deliver 20 kW already: both are then at their limit of 100 kW
    state = operation(storage=(block("b1", 20.0), block("b2", 20.0)), gensets=(genset("g1", 80.0), genset("g2", 80.0)))

    assert sets_are_needed(state, asked(r0_kw=variation_kw_asked)) is needed


def test_no_sets_are_needed_where_none_runs() -> None:
    assert not sets_are_needed(operation(storage=(block("b1", 0.0),)), asked(r0_kw=500.0))


def test_set_is_not_needed_for_room_downwards() -> None:
    assert not set_is_needed(replace(TWO_AND_TWO, largest_load_block_kw=9999.0), "g1", asked())


@CASES
@given(
    outputs=st.lists(st.integers(0, 100).map(float), min_size=1, max_size=5),
    storage_kw=st.integers(0, 300).map(float),
    variation=st.integers(0, 200).map(float),
)
def test_row_for_a_lost_set_is_safe_for_any_load_sharing(
    outputs: list[float], storage_kw: float, variation: float
) -> None:
    # E20: all headroom less one rating covers the variation
    sets = tuple(genset(f"g{n}", kw, step_kw=100.0) for n, kw in enumerate(outputs))
    row_kw = storage_kw + sum(100.0 - kw for kw in outputs) - 100.0 - variation
    assume(row_kw >= 0.0)

    state = operation(storage=(block("b", 0.0, limit_kw=storage_kw, usable_kwh=1e6),), gensets=sets)

    _, r1, _ = assess(state, asked(ContingencyKind.GENSET, r1_kw=variation))
    assert r1.margin_kw >= 0.0


@CASES
@given(
    power_kw=st.floats(-100.0, 100.0),
    usable_kwh=st.floats(0.0, 50.0),
    room_kwh=st.floats(0.0, 50.0),
    sustain_s=st.floats(10.0, 3600.0),
)
def test_headroom_keeps_inside_power_and_energy(
    power_kw: float, usable_kwh: float, room_kwh: float, sustain_s: float
) -> None:
    unit = block("b", power_kw, usable_kwh=usable_kwh, room_kwh=room_kwh)

    up_kw, down_kw = up_headroom_kw(unit, sustain_s=sustain_s), down_headroom_kw(unit, sustain_s=sustain_s)

    assert 0.0 <= up_kw <= 100.0 - power_kw + 1e-9
    assert up_kw * sustain_s / 3600.0 <= usable_kwh + 1e-9
    assert 0.0 <= down_kw <= 100.0 + power_kw + 1e-9
    assert max(0.0, down_kw - max(0.0, power_kw)) * sustain_s / 3600.0 <= room_kwh + 1e-9


@pytest.mark.parametrize(
    ("n_sets", "failure_frac", "n_failures"),
    [
        # 0.99^10 = 0.904, with one failure 0.9957, with two 0.99989
        (10, 0.01, 2),
        # 0.995 < 0.999: a single set is not to be counted on
        (1, 0.005, 1),
        # 0.995^2 + 2 * 0.005 * 0.995 = 0.999975
        (2, 0.005, 1),
        (4, 0.0, 0),
        (0, 0.5, 0),
    ],
)
def test_failures_to_start_are_those_that_nearly_all_cases_do_not_exceed(
    n_sets: int, failure_frac: float, n_failures: int
) -> None:
    assert start_failures(n_sets, failure_frac=failure_frac, quantile_frac=0.999) == n_failures


def test_sets_at_rest_count_where_starts_count_less_those_that_may_fail() -> None:
    resting = (RestingSets(member="diesel", n_sets=3, n_failures=1, max_kw=100.0),)
    state = replace(TWO_AND_TWO, resting=resting)
    slow = ClassRequirement(
        id=ReserveId.R2, gensets_count=True, variation_kw=0.0, pv_drop_frac=0.0, starts_count=True, shed_kw=5.0
    )
    section = Contingency(id="section", losses=(Loss(kind=ContingencyKind.GENSET, member="diesel", count=4),))

    (alone,) = figures(assess(state, replace(asked(), classes=(slow,), down=())))
    (lost,) = figures(assess(state, replace(asked(), classes=(slow,), down=(), contingencies=(section,))))

    # 100 of storage, 2 * 20 of running sets, two of three at rest, 5 of shed load
    assert alone == ("none", 0.0, 345.0)
    # both running sets go with 160 kW and two at rest, the last one may fail
    assert lost == ("section", 160.0, 105.0)


def test_lost_load_and_slow_providers_make_the_slow_downward_requirement() -> None:
    feeder = Contingency(id="feeder", losses=(Loss(kind=ContingencyKind.LOAD, load_kw=70.0),))
    required = replace(asked(), contingencies=(feeder,), down=(ReserveId.DOWN, ReserveId.DOWN_SLOW))

    *_, fast, slow = figures(assess(TWO_AND_TWO, required))

    # two blocks of 150 kW each; two sets 50 kW above their minimum
    assert fast == ("feeder", 70.0, 300.0)
    assert slow == ("feeder", 70.0, 400.0)


def _behind(*groups: GroupLimit, power_kw: float = 100.0) -> Operation:
    """Return a block of 300 kW, a running set of 200 kW and a plant, each behind the groups that name it."""
    block = StorageUnit(
        id="b1",
        member="bess",
        power_kw=power_kw,
        max_discharge_kw=300.0,
        max_charge_kw=300.0,
        usable_kwh=1e6,
        room_kwh=1e6,
        charge_eff_frac=1.0,
        discharge_eff_frac=1.0,
    )
    sets = GensetUnit(id="g1", member="diesel", power_kw=80.0, max_kw=200.0, min_kw=50.0, step_kw=200.0)
    pv = PvUnit(id="p1", member="pv", power_kw=60.0, available_kw=60.0, frequency_watt_credit_frac=0.0)
    return Operation(storage=(block,), gensets=(sets,), pv=(pv,), grid=None, largest_load_block_kw=10.0, groups=groups)


def _limit(limit_kw: float, *members: str) -> GroupLimit:
    return GroupLimit(members=frozenset(members), limit_kw=limit_kw)


_PASSING = Requirement(
    classes=(ClassRequirement(id=ReserveId.R1, gensets_count=True, variation_kw=0.0, pv_drop_frac=0.0),),
    survive=frozenset(),
    sustain_s=0.0,
)


@pytest.mark.parametrize(
    ("groups", "up_kw", "down_kw"),
    [
        # the store has 200 kW free, the set 120 kW; downwards the store 400 kW
        pytest.param((), 320.0, 400.0, id="no group"),
        pytest.param((_limit(500.0, "bess", "diesel"),), 320.0, 400.0, id="all passes"),
        pytest.param((_limit(150.0, "bess"),), 170.0, 250.0, id="transformer of the store"),
        pytest.param((_limit(250.0, "bess", "diesel"),), 70.0, 400.0, id="collector of both"),
        # 50 kW of the store's and all of the set's pass the transformer, and 350 kW the collector
        pytest.param((_limit(400.0, "bess", "diesel"), _limit(150.0, "bess")), 170.0, 250.0, id="nested, inner one"),
        pytest.param((_limit(300.0, "bess", "diesel"), _limit(150.0, "bess")), 120.0, 250.0, id="nested, both"),
        pytest.param((_limit(150.0, "bess"), _limit(100.0, "diesel")), 70.0, 250.0, id="side by side"),
    ],
)
def test_headroom_counts_as_far_as_it_passes_every_group(
    groups: tuple[GroupLimit, ...], up_kw: float, down_kw: float
) -> None:
    up, down = assess(_behind(*groups), _PASSING)

    assert [up.held_kw, down.held_kw] == pytest.approx([up_kw, down_kw])


def test_loss_of_a_charging_block_leaves_its_feeder_with_more_than_passes() -> None:
    # 60 kW of PV and 80 kW of a set feed a charging block: 100 kW pass without it
    required = replace(_PASSING, survive=frozenset({ContingencyKind.BLOCK}))
    charging = _behind(_limit(100.0, "bess", "diesel", "pv"), power_kw=-100.0)

    up, _ = assess(charging, required)

    # 160 kW of the set and of what exceeds the limit are blocked: 40 kW less pass than flow now
    assert up.contingency == "b1"
    assert up.held_kw == pytest.approx(-40.0)
