"""What a class covers beside a loss: swings, job steps, forecast errors and the drop of PV."""

from math import hypot

from ems.model.site import ReservePolicy
from ems.reserve.requirements import UP_CLASSES, ClassRequirement, Requirement, ReserveId


def variation_kw(
    policy: ReservePolicy,
    reserve: ReserveId,
    *,
    job_step_kw: float,
    swing_kw: float = 0.0,
    forecast_error_kw: float = 0.0,
) -> float:
    """Return V_k without PV: load swing within a second, with the job step within ten, with forecast errors in R2.

    `swing_kw` is a measured swing; the policy's value is its lower bound. Independent terms add as squares.
    """
    swing = max(policy.swing_kw, swing_kw)
    if reserve is ReserveId.R0:
        return swing
    return hypot(swing, job_step_kw, forecast_error_kw if reserve is ReserveId.R2 else 0.0)


def pv_drop_frac(policy: ReservePolicy, reserve: ReserveId) -> float:
    """Return the share of available PV that a cloud takes within the class time."""
    if reserve is ReserveId.R2 and policy.r2 is not None:
        return policy.r2.pv_drop_frac
    return policy.pv_drop_r0_frac if reserve is ReserveId.R0 else policy.pv_drop_r1_frac


def requirement(policy: ReservePolicy, *, job_step_kw: float, swing_kw: float = 0.0) -> Requirement:
    """Return what the policy asks for, with a measured load swing where it is larger."""
    return Requirement(
        classes=tuple(
            ClassRequirement(
                id=reserve,
                gensets_count=reserve is not ReserveId.R0,
                variation_kw=variation_kw(policy, reserve, job_step_kw=job_step_kw, swing_kw=swing_kw),
                pv_drop_frac=pv_drop_frac(policy, reserve),
            )
            for reserve in UP_CLASSES
        ),
        survive=frozenset(policy.survive),
        sustain_s=policy.sustain_s,
        contingencies=policy.contingencies,
    )
