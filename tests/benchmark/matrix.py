"""The plain problem as a matrix written by hand for highspy: the limit that a modelling layer is measured against.

Written from the equations (E1 to E4, E8, E13, E14, E18 and one reserve row per step) with nothing that a plain
problem does not need. Times are processor seconds.
"""

from dataclasses import dataclass
from time import process_time

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from ems.model.problem import GensetProblem, PlanningProblem
from tests.benchmark.answer import Answer
from tests.benchmark.flows import SURPLUS_FACTOR, Flows

Values = npt.NDArray[np.float64]
_ANY = np.inf


class _Rows:
    """Rows of a sparse matrix, collected as triplets in whole families."""

    def __init__(self) -> None:
        self.n = 0
        self._rows: list[npt.NDArray[np.int64]] = []
        self._columns: list[npt.NDArray[np.int64]] = []
        self._values: list[Values] = []
        self.lower: list[Values] = []
        self.upper: list[Values] = []

    def family(self, lower: Values, upper: Values) -> npt.NDArray[np.int64]:
        """Add a family of rows and return their places."""
        places = np.arange(self.n, self.n + len(lower))
        self.n += len(lower)
        self.lower.append(np.asarray(lower, dtype=float))
        self.upper.append(np.asarray(upper, dtype=float))
        return places

    def put(self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], values: Values | float) -> None:
        """Add one coefficient to each of some rows."""
        self._rows.append(rows)
        self._columns.append(columns)
        self._values.append(np.broadcast_to(np.asarray(values, dtype=float), rows.shape))

    def matrix(self, n_columns: int) -> sparse.csr_array:
        """Return all coefficients."""
        places = (np.concatenate(self._rows), np.concatenate(self._columns))
        return sparse.csr_array((np.concatenate(self._values), places), shape=(self.n, n_columns))


class _Columns:
    """Variables in blocks of one per step."""

    def __init__(self, n_steps: int) -> None:
        self._n_steps = n_steps
        self.lower: list[Values] = []
        self.upper: list[Values] = []
        self.cost: list[Values] = []
        self.integer: list[bool] = []

    def add(
        self, upper: Values | float, cost: Values | float = 0.0, *, lower: Values | float = 0.0, integer: bool = False
    ) -> npt.NDArray[np.int64]:
        """Add one variable per step and return their places."""
        first = len(self.integer) * self._n_steps
        for kept, value in ((self.lower, lower), (self.upper, upper), (self.cost, cost)):
            kept.append(np.broadcast_to(np.asarray(value, dtype=float), (self._n_steps,)))
        self.integer.append(integer)
        return np.arange(first, first + self._n_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where each decision stands; lists are by member."""

    on: list[npt.NDArray[np.int64]]
    above: list[npt.NDArray[np.int64]]
    charge: list[npt.NDArray[np.int64]]
    discharge: list[npt.NDArray[np.int64]]
    stored: list[npt.NDArray[np.int64]]
    pv: npt.NDArray[np.int64]
    imported: npt.NDArray[np.int64] | None
    exported: npt.NDArray[np.int64] | None
    unserved: npt.NDArray[np.int64]
    surplus: npt.NDArray[np.int64]
    short: npt.NDArray[np.int64]


def solve_matrix(problem: PlanningProblem, *, gap_frac: float, time_limit_s: float = 60.0) -> Answer:
    """Build, solve and read a plain problem."""
    begin = process_time()
    solver = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", gap_frac),
        ("time_limit", time_limit_s),
        ("random_seed", 0),
    ):
        solver.setOptionValue(name, value)
    lp, places = matrix_of(problem)
    solver.passModel(lp)
    built_s = process_time() - begin
    begin = process_time()
    solver.run()
    highs_s = process_time() - begin
    begin = process_time()
    info = solver.getInfo()
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.asarray(solver.getSolution().col_value)
    flows = _flows(problem, places, values) if feasible else None
    return Answer(
        flows=flows,
        gap_frac=float(info.mip_gap),
        bound_cost=float(info.mip_dual_bound),
        layer_s=built_s + process_time() - begin,
        highs_s=highs_s,
    )


def matrix_of(problem: PlanningProblem) -> tuple[highspy.HighsLp, _Places]:
    """Return the problem as HiGHS takes it."""
    columns, rows = _Columns(problem.grid.n_steps), _Rows()
    hours = np.asarray(problem.grid.duration_h)
    load_kw = np.asarray(problem.load.it_kw)
    balance = rows.family(load_kw, load_kw)
    needed = np.asarray(problem.reserve.classes[0].variation_kw) - _grid_headroom_kw(problem)
    reserve = rows.family(needed, np.full(len(hours), _ANY))
    prices = problem.prices
    unserved = columns.add(load_kw, prices.unserved_per_kwh * hours)
    surplus = columns.add(_ANY, SURPLUS_FACTOR * prices.unserved_per_kwh * hours)
    short = columns.add(_ANY, prices.reserve_per_kwh * hours)
    pv = columns.add(np.asarray([problem.available_pv_kw(t) for t in range(len(hours))]))
    rows.put(balance, pv, 1.0)
    rows.put(balance, unserved, 1.0)
    rows.put(balance, surplus, -1.0)
    rows.put(reserve, short, 1.0)
    imported, exported = _add_grid(problem, columns, rows, balance, reserve)
    on, above = _add_gensets(problem, columns, rows, balance, reserve)
    charge, discharge, stored, offset = _add_pools(problem, columns, rows, balance, reserve)
    places = _Places(
        on=on,
        above=above,
        charge=charge,
        discharge=discharge,
        stored=stored,
        pv=pv,
        imported=imported,
        exported=exported,
        unserved=unserved,
        surplus=surplus,
        short=short,
    )
    return _lp(columns, rows, offset), places


def _lp(columns: _Columns, rows: _Rows, offset: float) -> highspy.HighsLp:
    lp = highspy.HighsLp()
    cost = np.concatenate(columns.cost)
    matrix = rows.matrix(len(cost))
    lp.num_col_, lp.num_row_ = len(cost), rows.n
    lp.offset_ = offset
    lp.col_cost_ = cost
    lp.col_lower_, lp.col_upper_ = np.concatenate(columns.lower), np.concatenate(columns.upper)
    lp.row_lower_, lp.row_upper_ = np.concatenate(rows.lower), np.concatenate(rows.upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[int(whole)] for whole in np.repeat(columns.integer, len(cost) // len(columns.integer))]
    return lp


def _grid_headroom_kw(problem: PlanningProblem) -> Values:
    grid = problem.connection
    return np.zeros(problem.grid.n_steps) if grid is None else np.asarray(grid.import_limit_kw)


def _add_grid(
    problem: PlanningProblem,
    columns: _Columns,
    rows: _Rows,
    balance: npt.NDArray[np.int64],
    reserve: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64] | None, npt.NDArray[np.int64] | None]:
    """E14; what the connection could still import is headroom."""
    grid = problem.connection
    if grid is None:
        return None, None
    hours = np.asarray(problem.grid.duration_h)
    price = np.asarray(grid.price_per_kwh) + problem.prices.co2_per_kg * np.asarray(grid.kgco2e_per_kwh)
    imported = columns.add(np.asarray(grid.import_limit_kw), price * hours)
    exported = columns.add(np.asarray(grid.export_limit_kw), -np.asarray(grid.export_price_per_kwh) * hours)
    for family, sign in ((balance, 1.0), (reserve, -1.0)):
        rows.put(family, imported, sign)
        rows.put(family, exported, -sign)
    return imported, exported


def _add_gensets(
    problem: PlanningProblem,
    columns: _Columns,
    rows: _Rows,
    balance: npt.NDArray[np.int64],
    reserve: npt.NDArray[np.int64],
) -> tuple[list[npt.NDArray[np.int64]], list[npt.NDArray[np.int64]]]:
    """E1 to E4 per class, whole counts; headroom n * pmax - p needs no variable."""
    hours = np.asarray(problem.grid.duration_h)
    per_l = 0.0
    if problem.fuel is not None:
        per_l = problem.fuel.price_per_l + problem.prices.co2_per_kg * problem.fuel.kgco2e_per_l
    all_on, all_above = [], []
    for genset in problem.gensets:
        n_units = len(genset.units)
        width_kw = genset.max_kw - genset.min_kw
        run_cost = per_l * genset.min_fuel_l_per_h + genset.run_wear_cost_per_h
        on = columns.add(n_units, run_cost * hours, integer=True)
        start = columns.add(n_units, genset.start_cost)
        stop = columns.add(n_units)
        above = columns.add(n_units * width_kw, per_l * genset.segments[0].fuel_l_per_kwh * hours)
        rows.put(balance, on, genset.min_kw)
        rows.put(balance, above, 1.0)
        rows.put(reserve, on, width_kw)
        rows.put(reserve, above, -1.0)
        limit = rows.family(np.full(len(hours), -_ANY), np.zeros(len(hours)))
        rows.put(limit, above, 1.0)
        rows.put(limit, on, -width_kw)
        initial = np.zeros(len(hours))
        initial[0] = sum(unit.on for unit in genset.units)
        logic = rows.family(initial, initial)
        rows.put(logic, on, 1.0)
        rows.put(logic[1:], on[:-1], -1.0)
        rows.put(logic, start, -1.0)
        rows.put(logic, stop, 1.0)
        _add_minimum_time(problem, genset, rows, on=on, event=start, running=True)
        _add_minimum_time(problem, genset, rows, on=on, event=stop, running=False)
        all_on.append(on)
        all_above.append(above)
    return all_on, all_above


def _add_minimum_time(
    problem: PlanningProblem,
    genset: GensetProblem,
    rows: _Rows,
    *,
    on: npt.NDArray[np.int64],
    event: npt.NDArray[np.int64],
    running: bool,
) -> None:
    """E3, E4: events still inside their minimum time, history included, are on (off)."""
    begins = np.asarray(problem.grid.offset_h[:-1])
    minimum_h = genset.min_up_h if running else genset.min_down_h
    bound = np.zeros(len(begins))
    for unit in genset.units:
        if unit.on is running:
            bound += minimum_h - unit.since_h > begins + 1e-9
    sign = 1.0 if running else -1.0
    room = np.full(len(begins), 0.0 if running else float(len(genset.units)))
    family = rows.family(np.full(len(begins), -_ANY), room - bound)
    rows.put(family, on, -sign)
    for t in range(len(begins)):
        inside = np.flatnonzero((begins <= begins[t]) & (begins + minimum_h > begins[t] + 1e-9))
        # an event always counts in its own step
        inside = np.union1d(inside, [t])
        rows.put(np.full(len(inside), family[t]), event[inside], 1.0)


def _add_pools(
    problem: PlanningProblem,
    columns: _Columns,
    rows: _Rows,
    balance: npt.NDArray[np.int64],
    reserve: npt.NDArray[np.int64],
) -> tuple[list[npt.NDArray[np.int64]], list[npt.NDArray[np.int64]], list[npt.NDArray[np.int64]], float]:
    """E8 per pool, its headroom by power and by energy at both ends of a step, and its value at the end."""
    hours = np.asarray(problem.grid.duration_h)
    none = np.full(len(hours), -_ANY)
    placed: tuple[list[npt.NDArray[np.int64]], ...] = ([], [], [])
    offset = 0.0
    for pool in problem.pools:
        value = sum(piece.value_per_kwh for piece in pool.terminal_value)
        end_value = np.zeros(len(hours))
        end_value[-1] = -value
        offset += value * pool.min_stored_kwh
        charge = columns.add(np.asarray(pool.max_charge_kw))
        discharge = columns.add(np.asarray(pool.max_discharge_kw), pool.wear_cost_per_kwh * hours)
        stored = columns.add(pool.max_stored_kwh, end_value, lower=pool.min_stored_kwh)
        up = columns.add(_ANY)
        rows.put(balance, charge, -1.0)
        rows.put(balance, discharge, 1.0)
        rows.put(reserve, up, 1.0)
        kept = (1.0 - pool.self_discharge_frac_per_h) ** hours
        first = np.zeros(len(hours))
        first[0] = kept[0] * pool.stored_kwh
        energy = rows.family(first, first)
        rows.put(energy, stored, 1.0)
        rows.put(energy[1:], stored[:-1], -kept[1:])
        rows.put(energy, charge, -pool.charge_eff_frac * hours)
        rows.put(energy, discharge, hours / pool.discharge_eff_frac)
        power = rows.family(none, np.asarray(pool.max_discharge_kw))
        rows.put(power, up, 1.0)
        rows.put(power, discharge, 1.0)
        rows.put(power, charge, -1.0)
        sustained = problem.reserve.sustain_h / pool.discharge_eff_frac
        before = np.full(len(hours), -pool.min_stored_kwh)
        before[0] += pool.stored_kwh
        for family, level in (
            (rows.family(none, before), stored[:-1]),
            (rows.family(none, np.full(len(hours), -pool.min_stored_kwh)), stored),
        ):
            rows.put(family, up, sustained)
            rows.put(family[len(family) - len(level) :], level, -1.0)
        for kept_places, places in zip(placed, (charge, discharge, stored), strict=True):
            kept_places.append(places)
    charges, discharges, levels = placed
    return charges, discharges, levels, offset


def _flows(problem: PlanningProblem, places: _Places, values: Values) -> Flows:
    nothing = np.zeros(problem.grid.n_steps)
    n_on = np.asarray([values[place] for place in places.on])
    above = np.asarray([values[place] for place in places.above])
    minimum = np.asarray([[genset.min_kw] for genset in problem.gensets])
    return Flows(
        n_on=n_on,
        genset_kw=minimum * n_on + above,
        charge_kw=np.asarray([values[place] for place in places.charge]),
        discharge_kw=np.asarray([values[place] for place in places.discharge]),
        stored_kwh=np.asarray([values[place] for place in places.stored]),
        pv_kw=values[places.pv],
        import_kw=nothing if places.imported is None else values[places.imported],
        export_kw=nothing if places.exported is None else values[places.exported],
        unserved_kw=values[places.unserved],
        surplus_kw=values[places.surplus],
        reserve_short_kw=values[places.short],
    )
