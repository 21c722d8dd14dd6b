"""Air-cooled chiller: COP as a share of Carnot, condenser fans included."""

from ems.model.load import CoolingPlant

_KELVIN = 273.15
# evaporator below leaving water, condenser above ambient, lowest condensing temperature and lift of the fit
_EVAPORATOR_APPROACH_K = 3.0
_CONDENSER_APPROACH_K = 15.0
_MIN_CONDENSING_DEGC = 30.0
_MIN_LIFT_K = 5.0


def chiller_cop(plant: CoolingPlant, *, leaving_water_degc: float, ambient_degc: float) -> float:
    """Return the coefficient of performance (heat removed per electric power).

    Anchored at 2.90 for 6.67 C water and 35 C air; within 6 % of the EnergyPlus curve of a 1.6 MW air-cooled
    screw chiller (Carrier 30XA500) at 6.67 C, 12 % optimistic at 10 C water.
    """
    evaporating_degc = leaving_water_degc - _EVAPORATOR_APPROACH_K
    condensing_degc = max(ambient_degc + _CONDENSER_APPROACH_K, _MIN_CONDENSING_DEGC)
    lift_k = max(_MIN_LIFT_K, condensing_degc - evaporating_degc)
    return min(plant.max_cop, plant.carnot_frac * (evaporating_degc + _KELVIN) / lift_k)
