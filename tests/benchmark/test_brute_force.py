"""Every commitment of a tiny problem, its flows by another solver: the best of them is the dispatcher's optimum."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from ems.model.problem import GensetProblem, PlanningProblem, ReserveProblem
from tests.dispatch.problems import PRICES, connection, gensets, plant, pool, problem, reserve, unit
from tests.dispatch.solving import solved

# broken minimum times cost more than anything else: the enumeration does not know them
HARD = replace(PRICES, limit_per_kwh=1e4, co2_per_kg=0.05)
SET_KW = (30.0, 100.0)

Trajectory = tuple[int, ...]


def _tiny(seed: int, *, n_steps: int, n_units: tuple[int, ...]) -> PlanningProblem:
    """Return a random plain problem with one class per entry of `n_units`."""
    random = np.random.default_rng(seed)

    def figures(low: float, high: float) -> list[float]:
        return [round(float(x), 1) for x in random.uniform(low, high, n_steps)]

    store = pool(
        n_steps,
        stored_kwh=float(random.integers(20, 120)),
        full_kwh=150.0,
        power_kw=60.0,
        eff_frac=0.9,
        wear_cost_per_kwh=0.02,
        terminal=[(150.0, 0.1)],
    )
    classes = []
    for c, count in enumerate(n_units):
        made = gensets(
            [
                unit(10 * c + n, on=bool(random.integers(0, 2)), since_h=float(random.choice([0.5, 1.0, 3.0])))
                for n in range(count)
            ],
            segments=((70.0, 0.22 + 0.02 * c),),
            min_up_h=float(random.choice([1.0, 2.0])),
            min_down_h=float(random.choice([1.0, 1.5])),
            start_cost=float(random.choice([2.0, 15.0])),
            band_low_kw=0.0,
        )
        classes.append(replace(made, id=f"class{c}", min_fuel_l_per_h=9.0 + c))
    grid = None
    if seed % 2:
        grid = connection(
            figures(0.1, 0.5),
            import_limit_kw=50.0,
            export_limit_kw=20.0,
            export_price_per_kwh=0.05,
            kgco2e_per_kwh=0.4,
        )
    wanted: ReserveProblem = replace(
        reserve(n_steps, r1_kw=float(random.integers(20, 90)), sustain_h=0.5), down=False, floor_kwh=(), lead_kwh=()
    )
    stated = problem(
        figures(40.0, 220.0),
        pv=plant(figures(0.0, 120.0)),
        store=store,
        grid=grid,
        requirements=wanted,
        prices=HARD,
        duration_h=[float(x) for x in random.choice([0.5, 1.0], n_steps)],
    )
    return replace(
        stated,
        gensets=tuple(classes),
        fuel=problem([1.0], sets=classes[0]).fuel,
    )


def _permitted(stated: PlanningProblem, genset: GensetProblem, counts: Trajectory) -> bool:
    """Follow each unit, first in first out, and say whether all keep their minimum times."""
    running = sorted((unit.since_h for unit in genset.units if unit.on), reverse=True)
    resting = sorted((unit.since_h for unit in genset.units if not unit.on), reverse=True)
    for hours, wanted in zip(stated.grid.duration_h, counts, strict=True):
        while len(running) < wanted:
            if resting[0] < genset.min_down_h - 1e-9:
                return False
            resting.pop(0)
            running.append(0.0)
        while len(running) > wanted:
            if running[0] < genset.min_up_h - 1e-9:
                return False
            running.pop(0)
            resting.append(0.0)
        running, resting = [age + hours for age in running], [age + hours for age in resting]
    return True


def _commitments(stated: PlanningProblem) -> Iterator[tuple[Trajectory, ...]]:
    """Yield every permitted commitment of all classes."""
    each = [
        [
            counts
            for counts in product(range(len(genset.units) + 1), repeat=stated.grid.n_steps)
            if _permitted(stated, genset, counts)
        ]
        for genset in stated.gensets
    ]
    yield from product(*each)


def _fixed_cost(stated: PlanningProblem, counts: Sequence[Trajectory]) -> float:
    """Return what the counts cost by themselves: minimum load, run hours and starts."""
    assert stated.fuel is not None
    per_l = stated.fuel.price_per_l + stated.prices.co2_per_kg * stated.fuel.kgco2e_per_l
    cost = 0.0
    for genset, trajectory in zip(stated.gensets, counts, strict=True):
        before = sum(unit.on for unit in genset.units)
        for hours, n_on in zip(stated.grid.duration_h, trajectory, strict=True):
            cost += hours * n_on * per_l * genset.min_fuel_l_per_h + genset.start_cost * max(0, n_on - before)
            before = n_on
    return cost


def _flow_cost(stated: PlanningProblem, counts: Sequence[Trajectory]) -> float:
    """Return the least cost of the flows of a commitment; columns per step in the order of `names`."""
    assert stated.fuel is not None
    store, grid, prices = stated.pools[0], stated.connection, stated.prices
    per_l = stated.fuel.price_per_l + prices.co2_per_kg * stated.fuel.kgco2e_per_l
    classes = [f"q{c}" for c in range(len(stated.gensets))]
    names = ["pv", "in", "out", "unserved", "surplus", "charge", "discharge", "stored", "up", "short", *classes]
    width, n_steps = len(names), stated.grid.n_steps
    cost, bounds = np.zeros(width * n_steps), []
    equal, equal_to, below, below_of = [], [], [], []

    def row(t: int, **values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        made = np.zeros(width * n_steps)
        for name, value in values.items():
            made[t * width + names.index(name)] = value
        return made

    for t, hours in enumerate(stated.grid.duration_h):
        minimum_kw = sum(genset.min_kw * counts[c][t] for c, genset in enumerate(stated.gensets))
        free_kw = sum((genset.max_kw - genset.min_kw) * counts[c][t] for c, genset in enumerate(stated.gensets))
        above = dict.fromkeys(classes, 1.0)
        price, sold, imported_kg, limit_in, limit_out = 0.0, 0.0, 0.0, 0.0, 0.0
        if grid is not None:
            price, sold, imported_kg = grid.price_per_kwh[t], grid.export_price_per_kwh[t], grid.kgco2e_per_kwh[t]
            limit_in, limit_out = grid.import_limit_kw[t], grid.export_limit_kw[t]
        cost += hours * row(
            t,
            **{"in": price + prices.co2_per_kg * imported_kg, "out": -sold},
            unserved=prices.unserved_per_kwh,
            surplus=1.1 * prices.unserved_per_kwh,
            short=prices.reserve_per_kwh,
            discharge=store.wear_cost_per_kwh,
            **{name: per_l * stated.gensets[c].segments[0].fuel_l_per_kwh for c, name in enumerate(classes)},
        )
        limits = {
            "pv": stated.available_pv_kw(t),
            "in": limit_in,
            "out": limit_out,
            "unserved": stated.load.it_kw[t],
            "charge": store.max_charge_kw[t],
            "discharge": store.max_discharge_kw[t],
            "stored": store.max_stored_kwh,
            **{
                name: (genset.max_kw - genset.min_kw) * counts[c][t]
                for c, (name, genset) in enumerate(zip(classes, stated.gensets, strict=True))
            },
        }
        bounds += [(0.0, limits.get(name)) for name in names]
        supply = {"pv": 1.0, "in": 1.0, "out": -1.0, "unserved": 1.0, "surplus": -1.0, "charge": -1.0, "discharge": 1.0}
        equal.append(row(t, **supply, **above))
        equal_to.append(stated.load.it_kw[t] - minimum_kw)
        energy = row(
            t,
            stored=1.0,
            charge=-store.charge_eff_frac * hours,
            discharge=hours / store.discharge_eff_frac,
        )
        sustained = stated.reserve.sustain_h / store.discharge_eff_frac
        at_begin = row(t, up=sustained)
        if t:
            energy -= row(t - 1, stored=1.0)
            at_begin -= row(t - 1, stored=1.0)
        equal.append(energy)
        equal_to.append(0.0 if t else store.stored_kwh)
        below += [at_begin, row(t, up=sustained, stored=-1.0), row(t, up=1.0, discharge=1.0, charge=-1.0)]
        below_of += [0.0 if t else store.stored_kwh, 0.0, store.max_discharge_kw[t]]
        below.append(row(t, up=-1.0, short=-1.0, **{"in": 1.0, "out": -1.0}, **above))
        below_of.append(limit_in + free_kw - stated.reserve.classes[0].variation_kw[t])
    cost -= row(n_steps - 1, stored=store.terminal_value[0].value_per_kwh)
    found = linprog(cost, A_ub=np.asarray(below), b_ub=below_of, A_eq=np.asarray(equal), b_eq=equal_to, bounds=bounds)
    assert found.status == 0, found.message
    return float(found.fun)


@pytest.mark.parametrize("seed", range(8))
def test_optimum_of_one_class_is_the_best_of_all_commitments(seed: int) -> None:
    stated = _tiny(seed, n_steps=4, n_units=(2,))

    best = min(_fixed_cost(stated, counts) + _flow_cost(stated, counts) for counts in _commitments(stated))

    assert solved(stated).objective.total_cost() == pytest.approx(best, rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_optimum_of_two_classes_is_the_best_of_all_commitments(seed: int) -> None:
    stated = _tiny(seed, n_steps=3, n_units=(2, 1))

    best = min(_fixed_cost(stated, counts) + _flow_cost(stated, counts) for counts in _commitments(stated))

    assert solved(stated).objective.total_cost() == pytest.approx(best, rel=1e-6, abs=1e-3)


def test_commitments_that_break_a_minimum_time_are_not_among_them() -> None:
    stated = _tiny(0, n_steps=4, n_units=(2,))
    slow = replace(
        stated.gensets[0], units=(unit(1, on=True, since_h=0.5), unit(2, on=False, since_h=100.0)), min_up_h=2.0
    )
    hourly = replace(stated, gensets=(slow,), grid=replace(stated.grid, duration_h=(1.0,) * 4))

    kept = set(_commitments(hourly))

    # the running set needs 1.5 h more: two whole steps
    assert ((0, 0, 0, 0),) not in kept
    assert ((1, 0, 0, 0),) not in kept
    assert ((1, 1, 0, 0),) in kept
    # the second set starts in step 1 and must run for two
    assert ((1, 2, 0, 0),) not in kept
    assert ((1, 2, 1, 0),) in kept
