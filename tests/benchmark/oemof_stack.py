"""The plain problem in oemof.solph: every set a source with a nonconvex flow, the rest as Pyomo constraints.

Minimum times of oemof count steps and hold the first ones at the initial status; they are stated in hours instead,
with history. Energy of a store is above its minimum.
"""

import logging
from datetime import timedelta
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo
from oemof import solph

from ems.model.problem import GensetProblem, PlanningProblem
from tests.benchmark.answer import Answer
from tests.benchmark.clock import highs_clock
from tests.benchmark.flows import SURPLUS_FACTOR, Flows, Values
from tests.benchmark.windows import bound_until, events_inside


def solve_oemof(problem: PlanningProblem, *, gap_frac: float, time_limit_s: float = 60.0) -> Answer:
    """Build, solve and read a plain problem."""
    logging.disable(logging.WARNING)
    begin = process_time()
    with highs_clock() as clock:
        stated = _Stated(problem)
        result = stated.model.solve(
            solver="highs",
            allow_nonoptimal=True,
            cmdline_options={
                "threads": 1,
                "mip_rel_gap": gap_frac,
                "time_limit": time_limit_s,
                "random_seed": 0,
            },
        )
        # a plain dictionary is what oemof returns where HiGHS stopped at its limit
        found = not isinstance(result, dict) or result["best_feasible_objective"] is not None
        flows = stated.flows() if found else None
    return Answer(
        flows=flows,
        gap_frac=clock.gap_frac,
        bound_cost=clock.bound_cost,
        layer_s=process_time() - begin - clock.highs_s,
        highs_s=clock.highs_s,
    )


class _Stated:
    """Energy system and model of a problem, with the nodes to read the flows from."""

    def __init__(self, problem: PlanningProblem) -> None:
        self._problem = problem
        hours = problem.grid.duration_h
        nodes = [problem.grid.start_utc + timedelta(hours=offset) for offset in problem.grid.offset_h]
        system = solph.EnergySystem(timeindex=pd.DatetimeIndex(nodes), infer_last_interval=False)
        self._bus = solph.Bus(label="bus")
        system.add(self._bus)
        prices = problem.prices
        load_kw = np.asarray(problem.load.it_kw)
        self._sources = {
            "unserved": self._source("unserved", load_kw, prices.unserved_per_kwh),
            "pv": self._source("pv", np.asarray([problem.available_pv_kw(t) for t in range(len(hours))]), 0.0),
        }
        self._sinks = {"surplus": self._sink("surplus", None, SURPLUS_FACTOR * prices.unserved_per_kwh)}
        system.add(
            solph.components.Sink(
                label="load",
                inputs={self._bus: solph.Flow(fix=load_kw / load_kw.max(), nominal_capacity=load_kw.max())},
            )
        )
        if (grid := problem.connection) is not None:
            price = np.asarray(grid.price_per_kwh) + prices.co2_per_kg * np.asarray(grid.kgco2e_per_kwh)
            self._sources["import"] = self._source("import", np.asarray(grid.import_limit_kw), price)
            earned = np.asarray(grid.export_price_per_kwh)
            self._sinks["export"] = self._sink("export", np.asarray(grid.export_limit_kw), -earned)
        self._units = [[self._unit(genset, unit.id, on=unit.on) for unit in genset.units] for genset in problem.gensets]
        self._pools = [self._store(p) for p in range(len(problem.pools))]
        system.add(*self._sources.values(), *self._sinks.values(), *self._pools)
        system.add(*(unit for units in self._units for unit in units))
        self.model = solph.Model(system)
        self._add_minimum_times()
        self._add_reserve()
        self._add_costs()

    def flows(self) -> Flows:
        """Return what HiGHS found."""
        problem, model = self._problem, self.model
        steps = range(problem.grid.n_steps)
        nothing = np.zeros(len(steps))

        def read(variable: Any, *place: Any) -> Values:
            return np.asarray([pyo.value(variable[(*place, t)]) for t in steps])

        status = model.NonConvexFlowBlock.status
        level = model.GenericStorageBlock.storage_content
        units = self._units
        return Flows(
            n_on=np.asarray([sum(read(status, unit, self._bus) for unit in each) for each in units]),
            genset_kw=np.asarray([sum(read(model.flow, unit, self._bus) for unit in each) for each in units]),
            charge_kw=np.asarray([read(model.flow, self._bus, store) for store in self._pools]),
            discharge_kw=np.asarray([read(model.flow, store, self._bus) for store in self._pools]),
            stored_kwh=np.asarray(
                [
                    [pool.min_stored_kwh + pyo.value(level[store, t + 1]) for t in steps]
                    for pool, store in zip(problem.pools, self._pools, strict=True)
                ]
            ),
            pv_kw=read(model.flow, self._sources["pv"], self._bus),
            import_kw=read(model.flow, self._sources["import"], self._bus) if "import" in self._sources else nothing,
            export_kw=read(model.flow, self._bus, self._sinks["export"]) if "export" in self._sinks else nothing,
            unserved_kw=read(model.flow, self._sources["unserved"], self._bus),
            surplus_kw=read(model.flow, self._bus, self._sinks["surplus"]),
            reserve_short_kw=read(model.reserve_short),
        )

    def _source(self, name: str, limit_kw: Values, cost_per_kwh: Any) -> solph.components.Source:
        return solph.components.Source(label=name, outputs={self._bus: _limited(limit_kw, cost_per_kwh)})

    def _sink(self, name: str, limit_kw: Values | None, cost_per_kwh: Any) -> solph.components.Sink:
        flow = solph.Flow(variable_costs=cost_per_kwh) if limit_kw is None else _limited(limit_kw, cost_per_kwh)
        return solph.components.Sink(label=name, inputs={self._bus: flow})

    def _unit(self, genset: GensetProblem, name: str, *, on: bool) -> solph.components.Source:
        """Return one set; what it burns at no load is its activity cost, which oemof counts per step."""
        slope = genset.segments[0].fuel_l_per_kwh
        idle_cost = _per_l(self._problem) * (genset.min_fuel_l_per_h - slope * genset.min_kw)
        hours = np.asarray(self._problem.grid.duration_h)
        return solph.components.Source(
            label=name,
            outputs={
                self._bus: solph.Flow(
                    nominal_capacity=genset.max_kw,
                    minimum=genset.min_kw / genset.max_kw,
                    variable_costs=_per_l(self._problem) * slope,
                    nonconvex=solph.NonConvex(
                        startup_costs=genset.start_cost,
                        shutdown_costs=0.0,
                        activity_costs=(idle_cost + genset.run_wear_cost_per_h) * hours,
                        initial_status=int(on),
                    ),
                )
            },
        )

    def _store(self, p: int) -> solph.components.GenericStorage:
        pool = self._problem.pools[p]
        room_kwh = pool.max_stored_kwh - pool.min_stored_kwh
        return solph.components.GenericStorage(
            label=pool.id,
            inputs={self._bus: solph.Flow(nominal_capacity=pool.max_charge_kw[0])},
            outputs={
                self._bus: solph.Flow(nominal_capacity=pool.max_discharge_kw[0], variable_costs=pool.wear_cost_per_kwh)
            },
            nominal_capacity=room_kwh,
            initial_storage_level=(pool.stored_kwh - pool.min_stored_kwh) / room_kwh,
            balanced=False,
            inflow_conversion_factor=pool.charge_eff_frac,
            outflow_conversion_factor=pool.discharge_eff_frac,
        )

    def _add_minimum_times(self) -> None:
        """Add minimum times in hours, history included."""
        problem, block = self._problem, self.model.NonConvexFlowBlock
        rows = self.model.minimum_times = pyo.ConstraintList()
        for genset, nodes in zip(problem.gensets, self._units, strict=True):
            for unit, node in zip(genset.units, nodes, strict=True):
                place = (node, self._bus)
                for t, inside in events_inside(problem, genset.min_up_h):
                    rows.add(sum(block.startup[(*place, s)] for s in inside) <= block.status[(*place, t)])
                for t, inside in events_inside(problem, genset.min_down_h):
                    rows.add(sum(block.shutdown[(*place, s)] for s in inside) <= 1 - block.status[(*place, t)])
                minimum_h = genset.min_up_h if unit.on else genset.min_down_h
                for t in range(bound_until(problem, unit, minimum_h)):
                    rows.add(block.status[(*place, t)] == int(unit.on))

    def _add_reserve(self) -> None:
        """Add the requirement: headroom of pools (power, energy at both ends), sets and grid."""
        problem, model = self._problem, self.model
        steps, pools = range(problem.grid.n_steps), range(len(problem.pools))
        model.reserve_up = pyo.Var(pools, steps, bounds=(0, None))
        model.reserve_short = pyo.Var(steps, bounds=(0, None))
        rows = model.reserve = pyo.ConstraintList()
        level, status = model.GenericStorageBlock.storage_content, model.NonConvexFlowBlock.status
        for t in steps:
            for p, (pool, store) in enumerate(zip(problem.pools, self._pools, strict=True)):
                up = model.reserve_up[p, t]
                net = model.flow[store, self._bus, t] - model.flow[self._bus, store, t]
                rows.add(up + net <= pool.max_discharge_kw[t])
                for node in (t, t + 1):
                    rows.add(up * problem.reserve.sustain_h / pool.discharge_eff_frac <= level[store, node])
            held = sum(model.reserve_up[p, t] for p in pools) + model.reserve_short[t]
            for genset, nodes in zip(problem.gensets, self._units, strict=True):
                for node in nodes:
                    held += genset.max_kw * status[node, self._bus, t] - model.flow[node, self._bus, t]
            if (grid := problem.connection) is not None:
                exchange = (
                    model.flow[self._sources["import"], self._bus, t] - model.flow[self._bus, self._sinks["export"], t]
                )
                held += grid.import_limit_kw[t] - exchange
            rows.add(held >= problem.reserve.classes[0].variation_kw[t])

    def _add_costs(self) -> None:
        """Add the price of missing reserve and the value of energy at the end."""
        problem, model = self._problem, self.model
        hours = problem.grid.duration_h
        short = sum(model.reserve_short[t] * hours[t] for t in range(len(hours)))
        end = model.GenericStorageBlock.storage_content
        value = sum(
            end[store, len(hours)] * sum(piece.value_per_kwh for piece in pool.terminal_value)
            for pool, store in zip(problem.pools, self._pools, strict=True)
        )
        model.objective.expr += problem.prices.reserve_per_kwh * short - value


def _limited(limit_kw: Values, cost_per_kwh: Any) -> solph.Flow:
    nominal_kw = max(1.0, float(limit_kw.max()))
    return solph.Flow(nominal_capacity=nominal_kw, maximum=limit_kw / nominal_kw, variable_costs=cost_per_kwh)


def _per_l(problem: PlanningProblem) -> float:
    if problem.fuel is None:
        return 0.0
    return problem.fuel.price_per_l + problem.prices.co2_per_kg * problem.fuel.kgco2e_per_l
