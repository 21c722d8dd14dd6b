"""What the meter and breaker at the PCC show, and what a sync-check device there takes."""

from drivers.sim.grid import TwinGrid
from drivers.sim.plant import Plant
from drivers.sim.sensors import Instrument
from drivers.sim.tie import TwinTie
from ems.model.readings import PccReading


class SimulatedPcc:
    """The meter and breaker at the point of common coupling."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        rated_kw = 0.0 if plant.site.grid is None else plant.site.grid.import_limit_kw
        self._meter = Instrument(plant.spec.errors, rated_kw=rated_kw, seed=plant.seed, name="pcc")

    def reading(self, device_id: str) -> PccReading:
        """Return power, breaker, voltages on both sides and counters."""
        plant, grid = self._plant, self._plant.grid
        closed = grid is not None and grid.breaker_closed
        tie = None if grid is None else grid.tie
        return PccReading(
            device_id=device_id,
            at_s=plant.elapsed_s,
            power_kw=self._meter.power_kw(grid.power_kw) if grid is not None and closed else 0.0,
            breaker_closed=closed,
            grid_voltage_frac=0.0 if grid is None else grid.voltage_frac,
            bus_voltage_frac=1.0 if plant.bus_live else 0.0,
            frequency_hz=plant.frequency_hz,
            import_wh=self._meter.counter_wh(0.0 if grid is None else grid.import_kwh),
            export_wh=self._meter.counter_wh(0.0 if grid is None else grid.export_kwh),
            grid_frequency_hz=None if grid is None or tie is None else self._grid_hz(grid, tie),
            angle_deg=None if tie is None else 0.0 if closed else tie.angle_deg,
            island_group=None if tie is None else tie.group,
            permitted=None if tie is None else tie.permit,
            open_requested=None if tie is None else tie.open_request,
            remote=None if tie is None else True,
            fallback_armed=None if tie is None else tie.watchdog_s is not None,
        )

    def _grid_hz(self, grid: TwinGrid, tie: TwinTie) -> float:
        return 0.0 if grid.lost else tie.grid_hz(self._plant.elapsed_s, grid.nominal_hz)

    def command(self, name: str, value: float) -> bool:
        """Take `permit_close`, `request_open`, `heartbeat` and `watchdog_s` of a sync-check device; else refuse."""
        tie = None if self._plant.grid is None else self._plant.grid.tie
        if tie is None:
            return False
        match name:
            case "permit_close":
                tie.tell(permit=value > 0.0)
            case "request_open":
                tie.tell(open_request=value > 0.0)
            case "heartbeat":
                tie.tell()
            case "watchdog_s":
                tie.watchdog_s = value
            case _:
                return False
        return True
