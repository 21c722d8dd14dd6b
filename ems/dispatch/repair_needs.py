"""What each step asks of running sets and storage together: balance, reserve and floor, as the repair weighs them.

Everything that does not hang on the commitment is worked out once per problem, so that many commitments cost little.
No pyomo here.
"""

from dataclasses import dataclass

from ems.dispatch.losses import greatest_loss_kw
from ems.model.problem import Loss, PlanningProblem

POWER_KW = 1e-6
# which classes have a set on
Running = tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A step's part: storage's power, what sets and storage carry at least, and the floor at its end."""

    duration_h: float
    charge_kw: float
    discharge_kw: float
    # demand less PV and import
    net_kw: float
    floor_kwh: float
    # per reserve class: how long storage holds it, and what it asks for before any loss
    sustained_h: tuple[float, ...]
    reserve_kw: tuple[float, ...]


class Needs:
    """Storage as one pool, and what each step asks of sets and storage together."""

    def __init__(self, problem: PlanningProblem) -> None:
        pools = problem.pools
        weight = sum(pool.full_kwh for pool in pools) or 1.0
        self._problem = problem
        self._max_kwh = sum(max(pool.max_stored_kwh, pool.stored_kwh) for pool in pools)
        self._charge_eff_frac = sum(pool.charge_eff_frac * pool.full_kwh for pool in pools) / weight or 1.0
        self._discharge_eff_frac = sum(pool.discharge_eff_frac * pool.full_kwh for pool in pools) / weight or 1.0
        self._idle_kw = sum(pool.no_load_kw for pool in pools)
        self._steps = [_step(problem, t) for t in range(problem.grid.n_steps)]
        self._worst_kw: dict[tuple[int, Running], float] = {}
        self.stored_kwh = sum(pool.stored_kwh for pool in pools)
        self.min_kwh = sum(min(pool.min_stored_kwh, pool.stored_kwh) for pool in pools)

    def carry(self, t: int, *, stored_kwh: float, sets_kw: float, running: Running) -> bool:
        """Return whether sets of `sets_kw` and storage carry step t from an energy: its balance and its reserve."""
        step = self._steps[t]
        if sets_kw + self._delivered_kw(step, stored_kwh, step.duration_h) < step.net_kw - POWER_KW:
            return False
        if not step.reserve_kw:
            return True
        asked_kw = self._loss_kw(t, running) - sets_kw - POWER_KW
        return all(
            self._delivered_kw(step, stored_kwh, hours) >= reserve_kw + asked_kw
            for hours, reserve_kw in zip(step.sustained_h, step.reserve_kw, strict=True)
        )

    def kept_kwh(self, t: int, *, stored_kwh: float) -> float:
        """Return what the store must keep in step t: its floor, or what it has where that is less."""
        return max(self.min_kwh, min(stored_kwh, self._steps[t].floor_kwh))

    def after_kwh(self, t: int, *, stored_kwh: float, sets_kw: float) -> float:
        """Return the energy at the end of step t where the sets deliver all they can; may fall below the minimum."""
        step = self._steps[t]
        missing_kw = step.net_kw - sets_kw
        if missing_kw >= 0.0:
            return stored_kwh - (missing_kw + self._idle_kw) * step.duration_h / self._discharge_eff_frac
        charged_kwh = min(-missing_kw, step.charge_kw) * step.duration_h * self._charge_eff_frac
        return min(self._max_kwh, stored_kwh + charged_kwh - self._idle_kw * step.duration_h / self._discharge_eff_frac)

    def _delivered_kw(self, step: _Step, stored_kwh: float, hours: float) -> float:
        """Return what the pools can deliver for some hours from an energy."""
        if hours <= 0.0:
            return step.discharge_kw
        usable_kwh = max(0.0, stored_kwh - self.min_kwh)
        return min(step.discharge_kw, usable_kwh * self._discharge_eff_frac / hours)

    def _loss_kw(self, t: int, running: Running) -> float:
        """Return what the worst loss takes with sets of these classes on."""
        known = self._worst_kw.get((t, running))
        if known is None:
            known = self._worst_kw[t, running] = _worst_loss_kw(self._problem, t, running)
        return known


def _step(problem: PlanningProblem, t: int) -> _Step:
    pv_kw = problem.available_pv_kw(t)
    net_kw = problem.demand_kw(t) - pv_kw - _import_kw(problem, t)
    # sets at rest hold the reserve of a class in which starts count
    held = [each for each in problem.reserve.classes if each.gensets_count and not each.starts_count]
    return _Step(
        duration_h=problem.grid.duration_h[t],
        charge_kw=sum(pool.max_charge_kw[t] for pool in problem.pools),
        discharge_kw=sum(pool.max_discharge_kw[t] for pool in problem.pools),
        net_kw=net_kw,
        floor_kwh=problem.reserve.floor_at(t),
        sustained_h=tuple(problem.reserve.sustain_of(each) for each in held),
        # by the balance: load and variation; the loss comes on top
        reserve_kw=tuple(net_kw + each.variation_kw[t] - each.shed_at(t) + each.pv_drop_frac * pv_kw for each in held),
    )


def _worst_loss_kw(problem: PlanningProblem, t: int, running: Running) -> float:
    set_kw = {genset.id: genset.usable_at(t) for genset, on in zip(problem.gensets, running, strict=True) if on}
    return max(
        (
            sum(_lost_kw(problem, loss, t, set_kw) for loss in contingency.losses)
            for contingency in problem.reserve.contingencies
        ),
        default=0.0,
    )


def _lost_kw(problem: PlanningProblem, loss: Loss, t: int, set_kw: dict[str, float]) -> float:
    """Return what a loss takes at most; a set of a class of which none runs takes nothing."""
    return greatest_loss_kw(
        problem,
        loss,
        t,
        grid_kw=_import_kw(problem, t),
        set_kw=set_kw.get(loss.member, 0.0),
        pool_kw=sum(pool.max_discharge_kw[t] for pool in problem.pools if pool.id == loss.member),
    )


def _import_kw(problem: PlanningProblem, t: int) -> float:
    """Return what the connection can deliver in step t."""
    grid = problem.connection
    return 0.0 if grid is None else grid.import_limit_kw[t] * grid.connected_at(t)
