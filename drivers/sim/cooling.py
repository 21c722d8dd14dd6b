"""The cooling plant's true power: a published table by ambient, part load and thermal lags."""

from dataclasses import dataclass
from math import exp

import numpy as np

from ems.model.load import CoolingKind, CoolingPlant

# kW of a plant for 18.5 MW of IT at full load by ambient temperature: liquid W40, and air with 7 C water
_TABLE_IT_KW = 18500.0
_AMBIENT_DEGC = (0.0, 10.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0)
_FULL_KW = {
    CoolingKind.LIQUID: (655.0, 730.0, 1030.0, 1320.0, 1950.0, 2990.0, 4330.0, 5820.0, 6480.0),
    CoolingKind.AIR: (5430.0, 5430.0, 6160.0, 6890.0, 7620.0, 8350.0, 9080.0, 9810.0, 10540.0),
}
_PART_LOAD_EXPONENT = 1.3
_MIN_LOAD_FRAC = 0.25
# the loops follow the heat in minutes, the plant follows the weather more slowly
_HEAT_LAG_S = 120.0
_AMBIENT_LAG_S = 900.0
_SUPPLY_RISE_K = 4.0


@dataclass(slots=True)
class TwinCooling:
    """The plant with its lags; call `advance` once per step."""

    plant: CoolingPlant
    heat_kw_th: float
    felt_degc: float

    def advance(self, it_kw: float, ambient_degc: float, dt_s: float) -> float:
        """Return the mean electric power of a step."""
        before = self._power_kw()
        self.heat_kw_th += (it_kw - self.heat_kw_th) * (1.0 - exp(-dt_s / _HEAT_LAG_S))
        self.felt_degc += (ambient_degc - self.felt_degc) * (1.0 - exp(-dt_s / _AMBIENT_LAG_S))
        return (before + self._power_kw()) / 2.0

    @property
    def supply_degc(self) -> float:
        """Return the secondary supply temperature: setpoint and approach of the CDUs."""
        return self.plant.facility_supply_degc + _SUPPLY_RISE_K * self.heat_kw_th / self.plant.design_heat_kw_th

    @property
    def return_degc(self) -> float:
        """Return the secondary return temperature."""
        return self.supply_degc + self.plant.loop_delta_k * self.heat_kw_th / self.plant.design_heat_kw_th

    def _power_kw(self) -> float:
        full = float(np.interp(self.felt_degc, _AMBIENT_DEGC, _FULL_KW[self.plant.kind]))
        load = max(_MIN_LOAD_FRAC, self.heat_kw_th / self.plant.design_heat_kw_th)
        part: float = load**_PART_LOAD_EXPONENT
        return full * self.plant.design_heat_kw_th / _TABLE_IT_KW * part
