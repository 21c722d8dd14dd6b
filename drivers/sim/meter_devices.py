"""What the twin's meters, sensors and gauges show; nothing can be commanded here."""

from drivers.sim.plant import Plant
from drivers.sim.sensors import Instrument
from ems.model.readings import CoolingReading, LoadReading, TankReading


class SimulatedMeter:
    """A feeder meter of one load: `it`, `cooling` or `aux`."""

    def __init__(self, plant: Plant, name: str) -> None:
        self._plant = plant
        self._name = name
        self._meter = Instrument(plant.spec.errors, rated_kw=plant.site.it.design_kw, seed=plant.seed, name=name)

    def reading(self, device_id: str) -> LoadReading:
        """Return mean and highest power of the last step and the counter."""
        load = self._plant.load
        now, highest = {
            "it": (load.it_kw, load.it_max_kw),
            "cooling": (load.cooling_kw, load.cooling_kw),
            "aux": (load.aux_kw, load.aux_kw),
        }[self._name]
        return LoadReading(
            device_id=device_id,
            at_s=self._plant.elapsed_s,
            load_kw=max(0.0, self._meter.power_kw(now)),
            load_max_kw=max(0.0, self._meter.power_kw(highest)),
            energy_wh=self._meter.counter_wh(self._plant.load_kwh(self._name)),
        )

    def command(self, name: str, value: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Refuse: a meter is only read."""
        return False


class SimulatedCooling:
    """The cooling plant's controller with the weather sensor."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def reading(self, device_id: str) -> CoolingReading:
        """Return ambient, supply and return temperature and the capacity at this ambient."""
        cooling = self._plant.cooling
        return CoolingReading(
            device_id=device_id,
            at_s=self._plant.elapsed_s,
            ambient_degc=self._plant.ambient_degc,
            supply_degc=cooling.supply_degc,
            return_degc=cooling.return_degc,
            capacity_kw_th=1.1 * cooling.plant.design_heat_kw_th,
        )

    def command(self, name: str, value: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Refuse: the plant keeps its own setpoints."""
        return False


class SimulatedTank:
    """The tank's level gauge."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def reading(self, device_id: str) -> TankReading:
        """Return the level."""
        tank = self._plant.tank
        return TankReading(
            device_id=device_id, at_s=self._plant.elapsed_s, fuel_l=None if tank is None else round(tank.stored_l)
        )

    def command(self, name: str, value: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Refuse: a gauge is only read."""
        return False
