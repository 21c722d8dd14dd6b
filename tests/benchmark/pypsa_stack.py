"""The plain problem in PyPSA: every set a committable generator, reserve and terminal value by `extra_functionality`.

Minimum times count snapshots in PyPSA, which is right on equal steps; on others they are stated as constraints.
"""

import logging
from time import process_time

import numpy as np
import pandas as pd
import pypsa
import xarray as xr

from ems.model.problem import GensetProblem, PlanningProblem, UnitHistory
from tests.benchmark.answer import Answer
from tests.benchmark.clock import highs_clock
from tests.benchmark.flows import SURPLUS_FACTOR, Flows, Values
from tests.benchmark.windows import bound_until, events_inside


def solve_pypsa(problem: PlanningProblem, *, gap_frac: float, time_limit_s: float = 60.0) -> Answer:
    """Build, solve and read a plain problem."""
    logging.disable(logging.WARNING)
    begin = process_time()
    with highs_clock() as clock:
        network = network_of(problem)
        network.optimize(
            solver_name="highs",
            io_api="direct",
            solver_options={
                "threads": 1,
                "mip_rel_gap": gap_frac,
                "time_limit": time_limit_s,
                "random_seed": 0,
                "output_flag": False,
            },
            extra_functionality=lambda network, _snapshots: _add_what_pypsa_lacks(network, problem),
            include_objective_constant=False,
            log_to_console=False,
        )
        found = "StorageUnit-state_of_charge" in network.model.solution
        flows = _flows(network, problem) if found else None
    return Answer(
        flows=flows,
        gap_frac=clock.gap_frac,
        bound_cost=clock.bound_cost,
        layer_s=process_time() - begin - clock.highs_s,
        highs_s=clock.highs_s,
    )


def network_of(problem: PlanningProblem) -> pypsa.Network:
    """Return the network without what PyPSA has no component for."""
    network = pypsa.Network()
    network.set_snapshots(pd.RangeIndex(problem.grid.n_steps))
    hours = np.asarray(problem.grid.duration_h)
    for column in network.snapshot_weightings.columns:
        network.snapshot_weightings[column] = hours
    load_kw = np.asarray(problem.load.it_kw)
    network.add("Bus", "bus")
    network.add("Load", "load", bus="bus", p_set=load_kw)
    prices = problem.prices
    _add_generator(network, "unserved", load_kw, prices.unserved_per_kwh)
    _add_generator(network, "surplus", np.full(len(hours), _total_kw(problem)), _surplus_price(problem), sign=-1.0)
    _add_generator(network, "pv", np.asarray([problem.available_pv_kw(t) for t in range(len(hours))]), 0.0)
    if (grid := problem.connection) is not None:
        price = np.asarray(grid.price_per_kwh) + prices.co2_per_kg * np.asarray(grid.kgco2e_per_kwh)
        _add_generator(network, "import", np.asarray(grid.import_limit_kw), price)
        earned = np.asarray(grid.export_price_per_kwh)
        _add_generator(network, "export", np.asarray(grid.export_limit_kw), -earned, sign=-1.0)
    for genset in problem.gensets:
        for unit in genset.units:
            _add_unit(network, problem, genset, unit)
    for pool in problem.pools:
        # energy above the minimum: a storage unit of PyPSA begins at zero
        network.add(
            "StorageUnit",
            pool.id,
            bus="bus",
            p_nom=pool.max_discharge_kw[0],
            max_hours=(pool.max_stored_kwh - pool.min_stored_kwh) / pool.max_discharge_kw[0],
            efficiency_store=pool.charge_eff_frac,
            efficiency_dispatch=pool.discharge_eff_frac,
            state_of_charge_initial=pool.stored_kwh - pool.min_stored_kwh,
            cyclic_state_of_charge=False,
            marginal_cost=pool.wear_cost_per_kwh,
        )
    return network


def _add_generator(
    network: pypsa.Network, name: str, limit_kw: Values, cost_per_kwh: Values | float, *, sign: float = 1.0
) -> None:
    nominal_kw = max(1.0, float(limit_kw.max()))
    network.add(
        "Generator",
        name,
        bus="bus",
        sign=sign,
        p_nom=nominal_kw,
        p_max_pu=limit_kw / nominal_kw,
        marginal_cost=cost_per_kwh,
    )


def _add_unit(network: pypsa.Network, problem: PlanningProblem, genset: GensetProblem, unit: UnitHistory) -> None:
    """Add one set; what it burns at no load is its stand-by cost."""
    slope = genset.segments[0].fuel_l_per_kwh
    idle_l_per_h = genset.min_fuel_l_per_h - slope * genset.min_kw
    before = round(unit.since_h / problem.grid.duration_h[0])
    equal = _equal_steps(problem)
    network.add(
        "Generator",
        unit.id,
        bus="bus",
        committable=True,
        p_nom=genset.max_kw,
        p_min_pu=genset.min_kw / genset.max_kw,
        marginal_cost=_per_l(problem) * slope,
        stand_by_cost=_per_l(problem) * idle_l_per_h + genset.run_wear_cost_per_h,
        start_up_cost=genset.start_cost,
        min_up_time=round(genset.min_up_h / problem.grid.duration_h[0]) if equal else 0,
        min_down_time=round(genset.min_down_h / problem.grid.duration_h[0]) if equal else 0,
        up_time_before=before if unit.on else 0,
        down_time_before=0 if unit.on else before,
    )


def _add_what_pypsa_lacks(network: pypsa.Network, problem: PlanningProblem) -> None:
    _add_reserve(network, problem)
    if not _equal_steps(problem):
        _add_minimum_times(network, problem)
    model = network.model
    stored = model["StorageUnit-state_of_charge"].isel(snapshot=-1, drop=True)
    value = [sum(piece.value_per_kwh for piece in pool.terminal_value) for pool in problem.pools]
    model.objective += (stored * xr.DataArray([-x for x in value], coords=[stored.coords["name"]])).sum()


def _add_reserve(network: pypsa.Network, problem: PlanningProblem) -> None:
    """Add the requirement: headroom of pools (power, energy at both ends), sets and grid."""
    model = network.model
    snapshots = pd.Index(network.snapshots, name="snapshot")
    hours = xr.DataArray(np.asarray(problem.grid.duration_h), coords=[snapshots])
    names = pd.Index([pool.id for pool in problem.pools], name="name")
    up = model.add_variables(lower=0.0, coords=[snapshots, names], name="reserve-up")
    short = model.add_variables(lower=0.0, coords=[snapshots], name="reserve-short")
    model.objective += (short * (hours * problem.prices.reserve_per_kwh)).sum()
    dispatch, store = model["StorageUnit-p_dispatch"], model["StorageUnit-p_store"]
    stored = model["StorageUnit-state_of_charge"]
    limit = xr.DataArray([pool.max_discharge_kw[0] for pool in problem.pools], coords=[names])
    sustained = xr.DataArray(
        [problem.reserve.sustain_h / pool.discharge_eff_frac for pool in problem.pools], coords=[names]
    )
    initial = xr.DataArray([pool.stored_kwh - pool.min_stored_kwh for pool in problem.pools], coords=[names])
    model.add_constraints(up + dispatch - store <= limit, name="reserve-power")
    model.add_constraints(up * sustained - stored <= 0.0, name="reserve-energy-after")
    before = stored.to_linexpr().shift(snapshot=1).fillna(0)
    first = xr.DataArray((np.arange(len(snapshots)) == 0).astype(float), coords=[snapshots])
    model.add_constraints(up * sustained - before <= initial * first, name="reserve-energy-before")
    units = [unit.id for genset in problem.gensets for unit in genset.units]
    rating = xr.DataArray(
        [genset.max_kw for genset in problem.gensets for _ in genset.units], coords=[pd.Index(units, name="name")]
    )
    power = model["Generator-p"]
    held = up.sum("name") + short + (model["Generator-status"].sel(name=units) * rating).sum("name")
    held = held - power.sel(name=units).sum("name")
    needed = np.asarray(problem.reserve.classes[0].variation_kw)
    if (grid := problem.connection) is not None:
        held = held - power.sel(name="import", drop=True) + power.sel(name="export", drop=True)
        needed = needed - np.asarray(grid.import_limit_kw)
    model.add_constraints(held >= xr.DataArray(needed, coords=[snapshots]), name="reserve")


def _add_minimum_times(network: pypsa.Network, problem: PlanningProblem) -> None:
    """Add minimum times in hours on steps of unequal length, history included."""
    model = network.model
    snapshots = pd.Index(network.snapshots, name="snapshot")
    for genset in problem.gensets:
        ids = [unit.id for unit in genset.units]
        status = model["Generator-status"].sel(name=ids)
        for event, minimum_h, running in (
            ("start_up", genset.min_up_h, True),
            ("shut_down", genset.min_down_h, False),
        ):
            events = model[f"Generator-{event}"].sel(name=ids)
            begun = [inside.start for _, inside in events_inside(problem, minimum_h)]
            lags = xr.DataArray(np.arange(len(begun)) - np.asarray(begun), coords=[snapshots])
            recent = sum(
                events.to_linexpr().shift(snapshot=lag).where(lag <= lags).fillna(0)
                for lag in range(int(lags.max()) + 1)
            )
            sign = 1.0 if running else -1.0
            model.add_constraints(recent - sign * status <= 0.5 - 0.5 * sign, name=f"{genset.id}-{event}")
            for unit in genset.units:
                end = bound_until(problem, unit, minimum_h) if unit.on is running else 0
                if end:
                    held = model["Generator-status"].sel(name=unit.id, drop=True).isel(snapshot=slice(0, end))
                    model.add_constraints(held == float(running), name=f"{unit.id}-{event}-history")


def _flows(network: pypsa.Network, problem: PlanningProblem) -> Flows:
    solution = network.model.solution
    power = solution["Generator-p"]
    status = solution["Generator-status"]
    nothing = np.zeros(problem.grid.n_steps)
    ids = [[unit.id for unit in genset.units] for genset in problem.gensets]
    pools = [pool.id for pool in problem.pools]

    def of(name: str) -> Values:
        values: Values = power.sel(name=name).to_numpy()
        return values

    def pooled(name: str) -> Values:
        values: Values = solution[f"StorageUnit-{name}"].sel(name=pools).transpose("name", "snapshot").to_numpy()
        return values

    minimum = np.asarray([[pool.min_stored_kwh] for pool in problem.pools])
    return Flows(
        n_on=np.asarray([status.sel(name=units).sum("name").to_numpy() for units in ids]),
        genset_kw=np.asarray([power.sel(name=units).sum("name").to_numpy() for units in ids]),
        charge_kw=pooled("p_store"),
        discharge_kw=pooled("p_dispatch"),
        stored_kwh=minimum + pooled("state_of_charge"),
        pv_kw=of("pv"),
        import_kw=nothing if problem.connection is None else of("import"),
        export_kw=nothing if problem.connection is None else of("export"),
        unserved_kw=of("unserved"),
        surplus_kw=of("surplus"),
        reserve_short_kw=solution["reserve-short"].to_numpy(),
    )


def _equal_steps(problem: PlanningProblem) -> bool:
    return len(set(problem.grid.duration_h)) == 1


def _per_l(problem: PlanningProblem) -> float:
    if problem.fuel is None:
        return 0.0
    return problem.fuel.price_per_l + problem.prices.co2_per_kg * problem.fuel.kgco2e_per_l


def _surplus_price(problem: PlanningProblem) -> float:
    return SURPLUS_FACTOR * problem.prices.unserved_per_kwh


def _total_kw(problem: PlanningProblem) -> float:
    return sum(genset.max_kw * len(genset.units) for genset in problem.gensets)
