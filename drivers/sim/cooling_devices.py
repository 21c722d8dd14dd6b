"""What the controllers of the twin's cooling units show, and the commands that they take."""

from dataclasses import dataclass
from typing import Final

from drivers.sim.cooling_units import TwinCdu, TwinChiller, TwinDryCooler, fan_kw
from drivers.sim.plant import Plant
from ems.model.readings import CduReading, ChillerReading, DryCoolerReading

# what a unit takes at its panel; the maps know the band of each maker
_COLDEST_DEGC: Final = 4.0
_WARMEST_DEGC: Final = 50.0
_LEVEL_LOW_PCT: Final = 50.0


@dataclass(slots=True)
class SimulatedCdu:
    """The controller of a coolant distribution unit."""

    plant: Plant
    unit: TwinCdu

    def reading(self, device_id: str) -> CduReading:
        """Return both loops, pumps, valve and alarms."""
        unit = self.unit
        flags = (("leak", unit.leak), ("low flow", unit.low_flow), ("pump 1 fault", unit.pump_failed))
        faults = tuple(name for name, stands in flags if stands)
        # whoever asks is no silent controller
        unit.silent_s = 0.0
        return CduReading(
            device_id=device_id,
            at_s=self.plant.elapsed_s,
            supply_degc=unit.supply_degc,
            return_degc=unit.return_degc,
            facility_supply_degc=unit.facility_supply_degc,
            facility_return_degc=unit.facility_return_degc,
            flow_m3_per_h=unit.flow_m3_per_h,
            differential_kpa=unit.differential_kpa,
            pump_pct=100.0 * unit.pump_frac,
            valve_pct=100.0 * unit.valve_frac,
            leak=unit.leak,
            heat_kw_th=unit.heat_kw_th,
            low_flow=unit.low_flow,
            running=True,
            alarm=bool(faults),
            warnings=("reservoir low",) if unit.level_pct < _LEVEL_LOW_PCT else (),
            faults=faults,
            setpoint_degc=unit.setpoint_degc,
            dew_point_degc=unit.dew_point_degc,
            facility_flow_m3_per_h=unit.facility_flow_m3_per_h,
            level_pct=unit.level_pct,
            remote=unit.remote,
        )

    def command(self, name: str, value: float) -> bool:
        """Take `supply_degc` and `watchdog_s`."""
        unit = self.unit
        match name:
            case "supply_degc":
                if not unit.remote or not _COLDEST_DEGC <= value <= _WARMEST_DEGC:
                    return False
                unit.setpoint_degc = value
            case "watchdog_s":
                unit.watchdog_s = value
            case _:
                return False
        unit.silent_s = 0.0
        return True


@dataclass(slots=True)
class SimulatedChiller:
    """The controller of a chiller."""

    plant: Plant
    unit: TwinChiller

    def reading(self, device_id: str) -> ChillerReading:
        """Return water, compressors and alarms."""
        unit = self.unit
        return ChillerReading(
            device_id=device_id,
            at_s=self.plant.elapsed_s,
            running=unit.running,
            capacity_pct=100.0 * unit.load_frac,
            supply_degc=unit.supply_degc,
            return_degc=unit.return_degc,
            alarm=unit.fault is not None,
            enabled=True,
            warnings=(),
            faults=() if unit.fault is None else (unit.fault,),
            low_flow=unit.fault == "low flow",
            setpoint_degc=unit.setpoint_degc,
            load_kw=unit.load_kw,
            run_h=round(unit.run_s / 3600.0, 2),
            n_starts=unit.n_starts,
            remote=unit.remote,
        )

    def command(self, name: str, value: float) -> bool:
        """Take `supply_degc`; when it runs is its own matter."""
        if name != "supply_degc" or not self.unit.remote or not _COLDEST_DEGC <= value <= _WARMEST_DEGC:
            return False
        self.unit.setpoint_degc = value
        return True


@dataclass(slots=True)
class SimulatedDryCooler:
    """The controller of a dry cooler."""

    plant: Plant
    unit: TwinDryCooler

    def reading(self, device_id: str) -> DryCoolerReading:
        """Return fans, air, water and alarms."""
        unit = self.unit
        return DryCoolerReading(
            device_id=device_id,
            at_s=self.plant.elapsed_s,
            fan_pct=100.0 * unit.fan_frac,
            ambient_degc=unit.ambient_degc,
            supply_degc=unit.supply_degc,
            return_degc=unit.return_degc,
            load_kw=fan_kw(self.plant.site.cooling, unit),
            running=unit.fault is None,
            alarm=unit.fault is not None,
            warnings=(),
            faults=() if unit.fault is None else (unit.fault,),
        )

    def command(self, name: str, value: float) -> bool:  # noqa: ARG002 - the protocol's signature
        """Refuse: it is only read."""
        return False


SimulatedUnit = SimulatedCdu | SimulatedChiller | SimulatedDryCooler


def cooling_devices(plant: Plant) -> dict[str, SimulatedUnit]:
    """Return the controllers of the units that a site reads, by the asset that they serve."""
    units = plant.cooling_units
    devices: dict[str, SimulatedUnit] = {cdu.id: SimulatedCdu(plant=plant, unit=cdu) for cdu in units.cdus}
    devices |= {chiller.id: SimulatedChiller(plant=plant, unit=chiller) for chiller in units.chillers}
    return devices | {cooler.id: SimulatedDryCooler(plant=plant, unit=cooler) for cooler in units.dry_coolers}
