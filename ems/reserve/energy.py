"""Energy that is kept for the time until sets carry the load (E24), and for starting them in time."""

from ems.model.genset import GensetClass
from ems.model.site import ReservePolicy
from ems.model.units import SECONDS_PER_HOUR


def gap_kwh(policy: ReservePolicy, *, load_kw: float, fix_s: float, ramp_s: float, discharge_eff_frac: float) -> float:
    """Return E_gap: cell energy for the load until gensets carry it, with the policy's margin."""
    duration_s = fix_s + ramp_s / 2.0
    return load_kw * duration_s / SECONDS_PER_HOUR / discharge_eff_frac * (1.0 + policy.gap_margin_frac)


def checkpoint_kwh(policy: ReservePolicy, *, load_kw: float) -> float:
    """Return E_ckpt: energy of an orderly checkpoint, drain and cooling run-on."""
    return load_kw * policy.checkpoint_load_frac * policy.checkpoint_s / SECONDS_PER_HOUR


def reserve_kwh(
    policy: ReservePolicy, *, load_kw: float, gensets: tuple[GensetClass, ...], discharge_eff_frac: float
) -> float:
    """Return E_res: the energy above the technical minimum that is kept for contingencies."""
    fix_s = max((genset.fix_s for genset in gensets), default=0.0)
    ramp_s = max((genset.ramp_s for genset in gensets), default=0.0)
    gap = gap_kwh(policy, load_kw=load_kw, fix_s=fix_s, ramp_s=ramp_s, discharge_eff_frac=discharge_eff_frac)
    return gap + checkpoint_kwh(policy, load_kw=load_kw) + policy.black_start_kwh


def lead_time_s(policy: ReservePolicy, gensets: tuple[GensetClass, ...]) -> float:
    """Return t_lead: start command to carrying load of the slowest class, and the policy's margin."""
    return policy.lead_s + max((genset.carry_s for genset in gensets), default=0.0)


def lead_kwh(net_deficit_kw: float, *, lead_s: float, discharge_eff_frac: float) -> float:
    """Return the cell energy that covers a net deficit for t_lead (start rule 2)."""
    return max(0.0, net_deficit_kw) * lead_s / SECONDS_PER_HOUR / discharge_eff_frac
