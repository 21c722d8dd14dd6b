"""Source to sink: the hand-checked vector, and balances that close for any interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ems.accounting.tracing import SINKS, SOURCES, BusInterval, StoreContent, Traced, anchored, rounded, trace
from tests.control.draws import cases

EFF = 0.9
GENSET_G = 700.0
WH = st.floats(0.0, 1e7, allow_subnormal=False)


def test_hand_checked_vector() -> None:
    # kWh as Wh: 1. PV 100, load 60, charge 40; 2. genset 50, load 30, charge 20; 3. load 45 from the store
    first = _traced(StoreContent(), pv=100.0, it=60.0, charge=40.0)
    second = _traced(first.store, genset=50.0, it=30.0, charge=20.0)
    third = _traced(second.store, it=45.0, discharge=45.0)

    assert first.store.energy_wh["pv"] == pytest.approx(36.0)
    assert first.flows_wh["pv"]["losses"] == pytest.approx(4.0)
    assert first.carbon_mgco2e["it"] == 0.0

    assert second.carbon_mgco2e["it"] == pytest.approx(21_000.0)
    assert second.store.energy_wh["genset"] == pytest.approx(18.0)
    assert second.store.carbon_mgco2e == pytest.approx(14_000.0)
    assert second.flows_wh["genset"]["losses"] == pytest.approx(2.0)

    assert third.flows_wh["pv"]["it"] == pytest.approx(30.0)
    assert third.flows_wh["genset"]["it"] == pytest.approx(15.0)
    assert third.flows_wh["pv"]["losses"] == pytest.approx(10.0 / 3.0)
    assert third.flows_wh["genset"]["losses"] == pytest.approx(5.0 / 3.0)
    assert third.store.energy_wh["pv"] == pytest.approx(8.0 / 3.0)
    assert third.store.energy_wh["genset"] == pytest.approx(4.0 / 3.0)
    assert third.carbon_mgco2e["it"] == pytest.approx(12_963.0, abs=0.5)
    assert third.bus_g_per_kwh == pytest.approx(288.1, abs=0.05)
    assert third.store.carbon_mgco2e == pytest.approx(1037.0, abs=0.5)
    # all of the engine's carbon is with somebody: 50 x 0.7 = 35 kg
    booked = second.carbon_mgco2e["it"] + third.carbon_mgco2e["it"] + third.store.carbon_mgco2e
    assert booked == pytest.approx(35_000.0)


@st.composite
def intervals(draw: st.DrawFn) -> BusInterval:
    """Return any interval, its balance open either way."""
    return BusInterval(
        sources_wh={name: draw(WH) for name in ("pv", "grid_import", "genset")},
        sinks_wh={name: draw(WH) for name in ("it", "cooling", "site_aux", "grid_export", "losses")},
        discharge_wh=draw(WH),
        charge_wh=draw(WH),
        factors_g_per_kwh={name: draw(st.floats(0.0, 1000.0)) for name in SOURCES},
    )


STORES = st.builds(
    StoreContent,
    energy_wh=st.fixed_dictionaries(dict.fromkeys(SOURCES, WH)),
    carbon_mgco2e=st.floats(0.0, 1e9),
)


@cases(300)
@given(interval=intervals(), store=STORES)
def test_every_sink_gets_exactly_what_it_took(interval: BusInterval, store: StoreContent) -> None:
    traced = trace(interval, store, charge_eff_frac=EFF, discharge_eff_frac=EFF)

    for sink, wh in interval.sinks_wh.items():
        if sink != "losses" and sum(map(sum, (flows.values() for flows in traced.flows_wh.values()))) > 0.0:
            got = sum(traced.flows_wh[source][sink] for source in SOURCES)
            assert got == pytest.approx(wh, rel=1e-9, abs=1e-3)


@cases(300)
@given(interval=intervals(), store=STORES)
def test_every_source_is_used_or_in_the_store(interval: BusInterval, store: StoreContent) -> None:
    traced = trace(interval, store, charge_eff_frac=EFF, discharge_eff_frac=EFF)

    for source in SOURCES:
        entered = traced.unknown_wh if source == "unknown" else interval.sources_wh[source]
        used = sum(traced.flows_wh[source].values())
        stored = traced.store.energy_wh[source] - store.energy_wh[source]
        assert entered == pytest.approx(used + stored, rel=1e-9, abs=1e-2)


@cases(300)
@given(interval=intervals(), store=STORES)
def test_carbon_is_kept(interval: BusInterval, store: StoreContent) -> None:
    traced = trace(interval, store, charge_eff_frac=EFF, discharge_eff_frac=EFF)

    factors = interval.factors_g_per_kwh
    entered = sum(interval.sources_wh[name] * factors[name] for name in interval.sources_wh)
    entered += traced.unknown_wh * factors["unknown"]
    booked = sum(traced.carbon_mgco2e.values()) + traced.store.carbon_mgco2e - store.carbon_mgco2e
    assert booked == pytest.approx(entered, rel=1e-9, abs=1e-9 * store.carbon_mgco2e + 1.0)


@cases(300)
@given(interval=intervals(), store=STORES)
def test_nothing_is_negative(interval: BusInterval, store: StoreContent) -> None:
    traced = trace(interval, store, charge_eff_frac=EFF, discharge_eff_frac=EFF)

    assert all(wh >= -1e-6 for flows in traced.flows_wh.values() for wh in flows.values())
    assert all(wh >= 0.0 for wh in traced.store.energy_wh.values())
    assert traced.unknown_wh >= -1e-6
    assert traced.unaccounted_wh >= 0.0
    assert set(traced.flows_wh) == set(SOURCES)
    assert all(set(flows) == set(SINKS) for flows in traced.flows_wh.values())


def test_energy_that_no_meter_saw_arriving_is_unknown_and_scales_no_source() -> None:
    traced = _traced(StoreContent(), pv=60.0, it=100.0)

    assert traced.unknown_wh == pytest.approx(40.0)
    assert traced.flows_wh["pv"]["it"] == pytest.approx(60.0)
    assert traced.flows_wh["unknown"]["it"] == pytest.approx(40.0)


def test_energy_that_no_meter_saw_leaving_is_unaccounted_and_scales_no_sink() -> None:
    traced = _traced(StoreContent(), pv=100.0, it=60.0)

    assert traced.unaccounted_wh == pytest.approx(40.0)
    assert traced.flows_wh["pv"]["it"] == pytest.approx(60.0)


def test_a_discharge_beyond_what_was_tracked_is_unknown() -> None:
    # 9 Wh in the cells deliver 8.1
    store = StoreContent(energy_wh={**dict.fromkeys(SOURCES, 0.0), "pv": 9.0})

    traced = _traced(store, it=20.0, discharge=20.0)

    assert traced.flows_wh["pv"]["it"] == pytest.approx(8.1)
    assert traced.flows_wh["unknown"]["it"] == pytest.approx(11.9)
    assert traced.store.total_wh == pytest.approx(0.0, abs=1e-9)


def test_anchoring_keeps_mix_and_carbon_and_books_the_difference() -> None:
    store = StoreContent(energy_wh={"pv": 30.0, "grid_import": 0.0, "genset": 10.0, "unknown": 0.0}, carbon_mgco2e=7.0)

    fitted, booked_wh = anchored(store, stored_wh=36.0)

    assert booked_wh == pytest.approx(4.0)
    assert fitted.energy_wh == pytest.approx({"pv": 27.0, "grid_import": 0.0, "genset": 9.0, "unknown": 0.0})
    assert fitted.carbon_mgco2e == 7.0


@cases(300)
@given(shares=st.dictionaries(st.sampled_from(SOURCES), st.floats(0.0, 1e9), min_size=1))
def test_whole_numbers_keep_the_sum(shares: dict[str, float]) -> None:
    whole = rounded(shares)

    assert sum(whole.values()) == round(sum(shares.values()))
    assert all(abs(whole[name] - value) <= 1.0 for name, value in shares.items())


def _traced(
    store: StoreContent,
    *,
    pv: float = 0.0,
    genset: float = 0.0,
    it: float = 0.0,
    charge: float = 0.0,
    discharge: float = 0.0,
) -> Traced:
    interval = BusInterval(
        sources_wh={"pv": pv, "genset": genset},
        sinks_wh={"it": it},
        discharge_wh=discharge,
        charge_wh=charge,
        factors_g_per_kwh={"genset": GENSET_G},
    )
    return trace(interval, store, charge_eff_frac=EFF, discharge_eff_frac=EFF)
