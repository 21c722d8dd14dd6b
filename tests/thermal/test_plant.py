"""The cooling plant against the worked tables of its reference designs (18.5 MW of IT, dry-bulb in Celsius)."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.model.load import CoolingKind, CoolingPlant
from ems.thermal.chiller import chiller_cop
from ems.thermal.dry_cooler import free_cooling
from ems.thermal.plant import cooling_lines, cooling_power

DESIGN_KW = 18500.0
CASES = settings(derandomize=True, deadline=None, max_examples=200)
W40 = CoolingPlant(
    kind=CoolingKind.LIQUID,
    design_heat_kw_th=DESIGN_KW,
    liquid_share_frac=0.85,
    facility_supply_degc=36.0,
    loop_delta_k=10.0,
    dry_cooler_approach_k=8.0,
    dry_cooler_fan_frac=0.025,
    chilled_supply_degc=18.0,
    trim_supply_max_degc=25.0,
    carnot_frac=0.485,
    max_cop=9.0,
    cdu_pump_frac=0.015,
    facility_pump_frac=0.010,
    chilled_pump_frac=0.025,
    room_fan_frac=0.06,
    support_margin_frac=0.015,
)
W45 = replace(W40, facility_supply_degc=41.0)
AIR = replace(W40, kind=CoolingKind.AIR)
AMBIENTS = [0.0, 10.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0]
ambient = st.floats(-10.0, 50.0)


@pytest.mark.parametrize(
    ("water_degc", "cops"),
    [
        # at 15, 20, 25, 30, 35, 40, 45 and 50 C
        (7.0, (5.2, 4.3, 3.7, 3.3, 2.9, 2.6, 2.4, 2.2)),
        (18.0, (9.0, 7.0, 5.6, 4.7, 4.0, 3.5, 3.1, 2.8)),
        (25.0, (9.0, 9.0, 8.0, 6.2, 5.1, 4.3, 3.8, 3.3)),
    ],
)
def test_chiller_has_the_cop_of_the_table(water_degc: float, cops: tuple[float, ...]) -> None:
    found = [
        chiller_cop(W40, leaving_water_degc=water_degc, ambient_degc=degc)
        for degc in (15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0)
    ]

    assert found == pytest.approx(cops, abs=0.06)


def test_chiller_is_anchored_at_its_rating_point() -> None:
    # 6.67 C water at 35 C air
    assert chiller_cop(W40, leaving_water_degc=6.67, ambient_degc=35.0) == pytest.approx(2.90, abs=0.02)


@CASES
@given(water_degc=st.floats(5.0, 30.0), cooler=ambient, warmer=ambient)
def test_chiller_needs_no_less_in_warmer_air(water_degc: float, cooler: float, warmer: float) -> None:
    cooler, warmer = sorted((cooler, warmer))

    efficient = chiller_cop(W40, leaving_water_degc=water_degc, ambient_degc=cooler)
    assert 0.0 < chiller_cop(W40, leaving_water_degc=water_degc, ambient_degc=warmer) <= efficient <= 9.0


@pytest.mark.parametrize(
    ("ambient_degc", "share_frac", "airflow_frac"),
    [
        # approach of 8 K at full load: full airflow reaches 36 C at 28 C
        (28.0, 1.0, 1.0),
        (20.0, 1.0, 0.5),
        (-40.0, 1.0, 0.15),
        # between, the return water of 46 C is cooled by (46 - T) / (10 + 8) of the rise
        (37.0, 0.5, 1.0),
        (46.0, 0.0, 0.0),
        (50.0, 0.0, 0.0),
    ],
)
def test_dry_cooler_carries_what_the_air_allows(ambient_degc: float, share_frac: float, airflow_frac: float) -> None:
    free = free_cooling(W40, supply_degc=36.0, load_frac=1.0, ambient_degc=ambient_degc)

    assert [free.share_frac, free.airflow_frac] == pytest.approx([share_frac, airflow_frac])


def test_dry_cooler_without_load_idles() -> None:
    free = free_cooling(W40, supply_degc=36.0, load_frac=0.0, ambient_degc=45.0)

    assert (free.share_frac, free.airflow_frac) == (1.0, 0.15)


@pytest.mark.parametrize(
    ("plant", "ambient_degc", "load_kw"),
    [
        (W40, 0.0, 655.0),
        (W40, 10.0, 730.0),
        (W40, 20.0, 1030.0),
        (W40, 25.0, 1320.0),
        (W40, 30.0, 1950.0),
        (W40, 35.0, 2990.0),
        (W40, 40.0, 4330.0),
        (W40, 45.0, 5820.0),
        (W40, 50.0, 6480.0),
        (W45, 30.0, 1380.0),
        (W45, 40.0, 3260.0),
        (AIR, 10.0, 1930.0),
        (AIR, 30.0, 5620.0),
        (AIR, 45.0, 7700.0),
    ],
)
def test_plant_needs_the_power_of_the_table_at_design_load(
    plant: CoolingPlant, ambient_degc: float, load_kw: float
) -> None:
    found = cooling_power(plant, it_kw=DESIGN_KW, ambient_degc=ambient_degc).load_kw

    # met within 1 % of IT power
    assert found == pytest.approx(load_kw, abs=0.01 * DESIGN_KW)


def test_warm_water_plant_runs_its_trim_chiller_only_above_its_free_cooling_range() -> None:
    liquid = replace(W40, liquid_share_frac=1.0)

    compressors_kw = [
        cooling_power(liquid, it_kw=DESIGN_KW, ambient_degc=degc).compressors_kw for degc in (25.0, 28.0, 28.5, 35.0)
    ]

    assert compressors_kw[:2] == [0.0, 0.0]
    assert 0.0 < compressors_kw[2] < compressors_kw[3]


@CASES
@given(cooler=ambient, warmer=ambient, share=st.floats(0.1, 1.0))
def test_liquid_plant_needs_less_than_air_at_the_same_ambient(cooler: float, warmer: float, share: float) -> None:
    it_kw = share * DESIGN_KW

    for degc in (cooler, warmer):
        liquid = cooling_power(W40, it_kw=it_kw, ambient_degc=degc).load_kw
        assert liquid < cooling_power(AIR, it_kw=it_kw, ambient_degc=degc).load_kw


@CASES
@given(degc=ambient, less=st.floats(0.01, 1.0), more=st.floats(0.01, 1.0))
def test_more_heat_needs_no_less_power(degc: float, less: float, more: float) -> None:
    less, more = sorted((less, more))

    for plant in (W40, AIR):
        low = cooling_power(plant, it_kw=less * DESIGN_KW, ambient_degc=degc).load_kw
        assert 0.0 < low <= cooling_power(plant, it_kw=more * DESIGN_KW, ambient_degc=degc).load_kw + 1e-6


@pytest.mark.parametrize("share", [0.5, 0.75, 1.0])
@pytest.mark.parametrize("plant", [W40, W45, AIR], ids=["W40", "W45", "air"])
def test_warmer_air_needs_no_less_power_within_a_step_of_the_fans(plant: CoolingPlant, share: float) -> None:
    powers = [cooling_power(plant, it_kw=share * DESIGN_KW, ambient_degc=degc).load_kw for degc in range(-10, 51)]

    # where the air is hotter than the return water the fans stop, which saves their power at once
    fans_kw = W40.dry_cooler_fan_frac * DESIGN_KW
    assert all(later >= earlier - fans_kw for earlier, later in pairwise(powers))
    assert powers[-1] > powers[0]


@pytest.mark.parametrize(
    ("ambient_degc", "c0_kw", "c1_frac"),
    [
        (20.0, -387.0, 0.0765),
        (30.0, -896.0, 0.1540),
        (35.0, -234.0, 0.1741),
        (40.0, 339.0, 0.2158),
        (45.0, -499.0, 0.3415),
    ],
)
def test_support_lines_meet_the_secant_of_the_table_at_half_and_full_load(
    ambient_degc: float, c0_kw: float, c1_frac: float
) -> None:
    for it_kw in (0.5 * DESIGN_KW, DESIGN_KW):
        assert _planned_kw(W40, it_kw=it_kw, degc=ambient_degc) == pytest.approx(
            c0_kw + c1_frac * it_kw, abs=0.02 * DESIGN_KW
        )


def _planned_kw(plant: CoolingPlant, *, it_kw: float, degc: float) -> float:
    return max(line.load_kw(it_kw) for line in cooling_lines(plant, ambient_degc=degc))


def _misses_frac(plant: CoolingPlant, *, tenths: range) -> list[float]:
    """Return by how much the highest line lies below the plant, as shares of IT power, over ambients and loads."""
    misses = []
    for degc in (tenth / 10.0 for tenth in tenths):
        lines = cooling_lines(plant, ambient_degc=degc)
        for hundredths in range(25, 101):
            it_kw = DESIGN_KW * hundredths / 100.0
            power_kw = cooling_power(plant, it_kw=it_kw, ambient_degc=degc).load_kw
            misses.append((power_kw - max(line.load_kw(it_kw) for line in lines)) / it_kw)
    return misses


@pytest.mark.parametrize("plant", [W40, W45, AIR], ids=["W40", "W45", "air"])
def test_support_lines_miss_the_plant_by_2_percent_of_it_power_at_most(plant: CoolingPlant) -> None:
    misses = _misses_frac(plant, tenths=range(-100, 501, 2))

    assert max(misses) <= 0.02


@pytest.mark.parametrize("plant", [W40, W45, AIR], ids=["W40", "W45", "air"])
def test_support_lines_follow_the_plant_closely_where_no_fans_switch(plant: CoolingPlant) -> None:
    # below 18 C every loop is cooled by air alone at half load and more
    misses = _misses_frac(plant, tenths=range(-100, 100, 5))

    assert min(misses) > -0.003
    assert max(misses) < 0.012


@pytest.mark.parametrize("degc", AMBIENTS)
@pytest.mark.parametrize("plant", [W40, W45, AIR], ids=["W40", "W45", "air"])
def test_support_lines_are_few_rise_and_cool_the_idle_plant(plant: CoolingPlant, degc: float) -> None:
    lines = cooling_lines(plant, ambient_degc=degc)

    slopes = [line.c1_frac for line in lines]
    assert 1 <= len(lines) <= 4
    assert slopes == sorted(slopes)
    assert slopes[0] >= 0.0
    assert max(line.c0_kw for line in lines) >= 0.95 * cooling_power(plant, it_kw=0.0, ambient_degc=degc).load_kw


@pytest.mark.parametrize("plant", [W40, W45, AIR], ids=["W40", "W45", "air"])
def test_curve_is_convex_where_the_fans_do_not_switch(plant: CoolingPlant) -> None:
    # 8 C: free cooling for every loop at every load; 0.5 to 1 is where pumps and fans follow the load
    powers = [cooling_power(plant, it_kw=DESIGN_KW * n / 40.0, ambient_degc=8.0).load_kw for n in range(20, 41)]

    steps = [later - earlier for earlier, later in pairwise(powers)]
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(steps))


@CASES
@given(degc=ambient, share=st.floats(0.0, 1.0))
def test_power_scales_with_the_size_of_the_plant(degc: float, share: float) -> None:
    half = replace(W40, design_heat_kw_th=DESIGN_KW / 2.0)

    large = cooling_power(W40, it_kw=share * DESIGN_KW, ambient_degc=degc).load_kw
    small = cooling_power(half, it_kw=share * DESIGN_KW / 2.0, ambient_degc=degc).load_kw

    assert small == pytest.approx(large / 2.0)
