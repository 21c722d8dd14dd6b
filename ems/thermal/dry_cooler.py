"""Dry cooler: how much of a heat load ambient air can carry, and at what fan power."""

from dataclasses import dataclass

from ems.model.load import CoolingPlant

# fans do not turn slower than this share of full airflow
_MIN_AIRFLOW_FRAC = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeCooling:
    """Share of the heat that the dry cooler carries, and its airflow as a share of full airflow."""

    share_frac: float
    airflow_frac: float


def free_cooling(plant: CoolingPlant, *, supply_degc: float, load_frac: float, ambient_degc: float) -> FreeCooling:
    """Return what a dry cooler does towards a supply temperature at a share of design heat.

    Leaving water is ambient + approach * load / airflow. Where full airflow does not reach the setpoint the
    cooler takes what the return water's excess over ambient allows and the rest is left to a chiller.
    """
    if load_frac <= 0.0:
        return FreeCooling(share_frac=1.0, airflow_frac=_MIN_AIRFLOW_FRAC)
    spare_k = supply_degc - ambient_degc
    needed_k = plant.dry_cooler_approach_k * load_frac
    if spare_k >= needed_k:
        return FreeCooling(share_frac=1.0, airflow_frac=max(_MIN_AIRFLOW_FRAC, needed_k / spare_k))
    rise_k = plant.loop_delta_k * load_frac
    share_frac = (supply_degc + rise_k - ambient_degc) / (rise_k + needed_k)
    if share_frac <= 0.0:
        return FreeCooling(share_frac=0.0, airflow_frac=0.0)
    return FreeCooling(share_frac=min(1.0, share_frac), airflow_frac=1.0)


def free_cooling_edges_frac(plant: CoolingPlant, *, supply_degc: float, ambient_degc: float) -> tuple[float, float]:
    """Return the shares of design heat at which a dry cooler starts, and at which full airflow is just enough.

    It starts with all fans where the return water becomes warmer than the air; outside 0..1 it never does.
    """
    starts_frac = (ambient_degc - supply_degc) / plant.loop_delta_k
    enough_frac = (supply_degc - ambient_degc) / plant.dry_cooler_approach_k
    return starts_frac, enough_frac
