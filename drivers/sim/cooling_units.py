"""The units of the cooling plant in the twin: coolant distribution units, chillers, dry coolers, each with lags.

They share the heat of the plant and its electricity; the plant's total is that of `cooling`, so that meters agree.
Figures are those of water and of typical units, coarse: enough for alarms, displays and the response to setpoints.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, exp

from ems.model.load import CoolingPlant

# heat that a cubic metre of water takes per kelvin
_KWH_TH_PER_M3_K = 1.163
# the racks' loop: rise at design, approach of the heat exchanger, response of valve and pumps
_LOOP_K = 10.0
_APPROACH_K = 3.0
_SUPPLY_LAG_S = 40.0
_PUMP_LAG_S = 15.0
_LEAST_PUMP_FRAC = 0.4
_FAILED_PUMP_FRAC = 0.2
_LOW_FLOW_FRAC = 0.7
_FULL_KPA = 180.0
_RESERVOIR_PCT = 92.0
_LEAK_PCT_PER_S = 0.02
_DEW_POINT_DEGC = 11.0
# chilled water answers in minutes, and compressors keep their least run and off times
_CHILLED_LAG_S = 180.0
_LEAST_RUN_S = 600.0
_LEAST_OFF_S = 600.0
_CHILLED_RISE_K = 6.0
# free cooling of the room air takes over below this ambient
_FREE_AIR_DEGC = 8.0
_FREE_BAND_K = 10.0
_LEAST_FAN_FRAC = 0.15
_FAN_LAG_S = 60.0


@dataclass(slots=True)
class TwinCdu:
    """A coolant distribution unit; `setpoint_degc` is in force, `local_degc` what its panel is set to."""

    id: str
    capacity_kw_th: float
    setpoint_degc: float
    local_degc: float
    supply_degc: float
    heat_kw_th: float = 0.0
    pump_frac: float = _LEAST_PUMP_FRAC
    facility_supply_degc: float = 0.0
    level_pct: float = _RESERVOIR_PCT
    leak: bool = False
    pump_failed: bool = False
    remote: bool = True
    watchdog_s: float | None = None
    silent_s: float = 0.0

    def advance(self, heat_kw_th: float, facility_supply_degc: float, dt_s: float) -> None:
        """Take the heat of a step."""
        self.silent_s += dt_s
        if self.watchdog_s and self.silent_s > self.watchdog_s:
            self.setpoint_degc = self.local_degc
        self.heat_kw_th = heat_kw_th
        self.facility_supply_degc = facility_supply_degc
        wanted = _FAILED_PUMP_FRAC if self.pump_failed else self._wanted_pump_frac
        self.pump_frac += (wanted - self.pump_frac) * _passed(dt_s, _PUMP_LAG_S)
        coldest = facility_supply_degc + _APPROACH_K * self.load_frac
        self.supply_degc += (max(self.setpoint_degc, coldest) - self.supply_degc) * _passed(dt_s, _SUPPLY_LAG_S)
        if self.leak:
            self.level_pct = max(0.0, self.level_pct - _LEAK_PCT_PER_S * dt_s)

    @property
    def load_frac(self) -> float:
        """Return the share of its capacity that it takes."""
        return self.heat_kw_th / self.capacity_kw_th

    @property
    def _wanted_pump_frac(self) -> float:
        return min(1.0, max(_LEAST_PUMP_FRAC, self.load_frac))

    @property
    def flow_m3_per_h(self) -> float:
        """Return the flow of coolant."""
        return self.pump_frac * self.capacity_kw_th / (_KWH_TH_PER_M3_K * _LOOP_K)

    @property
    def low_flow(self) -> bool:
        """Return whether the flow is below its alarm."""
        return self.pump_frac < _LOW_FLOW_FRAC * self._wanted_pump_frac

    @property
    def return_degc(self) -> float:
        """Return the temperature of the coolant that comes back from the racks."""
        return self.supply_degc + self.heat_kw_th / (_KWH_TH_PER_M3_K * max(0.01, self.flow_m3_per_h))

    @property
    def differential_kpa(self) -> float:
        """Return the differential pressure of the racks' loop."""
        return _FULL_KPA * self.pump_frac**2

    @property
    def valve_frac(self) -> float:
        """Return the position of the valve of the facility water: open as far as the approach asks for."""
        spread_k = max(0.1, self.supply_degc - self.facility_supply_degc)
        return min(1.0, max(0.05, _APPROACH_K * self.load_frac / spread_k))

    @property
    def facility_flow_m3_per_h(self) -> float:
        """Return the flow of facility water."""
        return max(0.2, self.valve_frac) * self.capacity_kw_th / (_KWH_TH_PER_M3_K * _LOOP_K)

    @property
    def facility_return_degc(self) -> float:
        """Return the temperature of the facility water that leaves."""
        return self.facility_supply_degc + self.heat_kw_th / (_KWH_TH_PER_M3_K * self.facility_flow_m3_per_h)

    @property
    def dew_point_degc(self) -> float:
        """Return the dew point of the room, which is kept dry."""
        return _DEW_POINT_DEGC


@dataclass(slots=True)
class TwinChiller:
    """A chiller; it decides by itself when its compressors run, and keeps their least times."""

    id: str
    capacity_kw_th: float
    setpoint_degc: float
    supply_degc: float
    running: bool = False
    load_frac: float = 0.0
    load_kw: float = 0.0
    run_s: float = 0.0
    n_starts: int = 0
    # how long it has been in its present state; at first long enough
    since_s: float = _LEAST_OFF_S
    fault: str | None = None
    remote: bool = True

    def advance(self, *, wanted: bool, heat_kw_th: float, load_kw: float, dt_s: float) -> None:
        """Run or stand still for a step, as wanted and as its times allow."""
        self.since_s += dt_s
        may_change = self.since_s >= (_LEAST_RUN_S if self.running else _LEAST_OFF_S)
        wanted = wanted and self.fault is None
        if wanted is not self.running and (may_change or self.fault is not None):
            self.running, self.since_s = wanted, 0.0
            self.n_starts += wanted
        self.load_frac = min(1.0, heat_kw_th / self.capacity_kw_th) if self.running else 0.0
        self.load_kw = load_kw if self.running else 0.0
        target = self.setpoint_degc if self.running else self.setpoint_degc + _CHILLED_RISE_K
        self.supply_degc += (target - self.supply_degc) * _passed(dt_s, _CHILLED_LAG_S)
        self.run_s += dt_s if self.running else 0.0

    @property
    def return_degc(self) -> float:
        """Return the temperature of the water that comes back."""
        return self.supply_degc + _CHILLED_RISE_K * self.load_frac


@dataclass(slots=True)
class TwinDryCooler:
    """A dry cooler whose fans hold the facility water at its setpoint as far as the air allows."""

    id: str
    capacity_kw_th: float
    fan_frac: float = _LEAST_FAN_FRAC
    heat_kw_th: float = 0.0
    ambient_degc: float = 20.0
    approach_k: float = 8.0
    rise_k: float = 8.0
    fault: str | None = None

    def advance(self, *, heat_kw_th: float, ambient_degc: float, setpoint_degc: float, dt_s: float) -> None:
        """Give off the heat of a step."""
        self.heat_kw_th, self.ambient_degc = heat_kw_th, ambient_degc
        wanted = self.approach_k * self.load_frac / max(0.1, setpoint_degc - ambient_degc)
        wanted = 0.0 if self.fault is not None else min(1.0, max(_LEAST_FAN_FRAC, wanted))
        self.fan_frac += (wanted - self.fan_frac) * _passed(dt_s, _FAN_LAG_S)

    @property
    def load_frac(self) -> float:
        """Return the share of its capacity that it gives off."""
        return self.heat_kw_th / self.capacity_kw_th

    @property
    def supply_degc(self) -> float:
        """Return the temperature of the water that leaves it."""
        return self.ambient_degc + self.approach_k * self.load_frac / max(_LEAST_FAN_FRAC, self.fan_frac)

    @property
    def return_degc(self) -> float:
        """Return the temperature of the water that comes back."""
        return self.supply_degc + self.rise_k * self.load_frac


@dataclass(slots=True)
class TwinUnits:
    """All units of a plant; call `advance` once per step, after the plant's own."""

    plant: CoolingPlant
    cdus: tuple[TwinCdu, ...] = ()
    chillers: tuple[TwinChiller, ...] = ()
    dry_coolers: tuple[TwinDryCooler, ...] = ()
    # heat that no unit can take
    heat_missing_kw_th: float = field(default=0.0)

    def advance(self, *, heat_kw_th: float, load_kw: float, ambient_degc: float, dt_s: float) -> None:
        """Split the heat (kW thermal) and the electricity (kW) of a step among the units."""
        plant = self.plant
        liquid_kw_th = heat_kw_th * plant.liquid_share_frac
        free_frac = _free_frac(ambient_degc, plant.chilled_supply_degc)
        chilled_kw_th = (heat_kw_th - liquid_kw_th) * (1.0 - free_frac)
        working = [cdu for cdu in self.cdus if not cdu.pump_failed and not cdu.leak]
        taken_kw_th = min(liquid_kw_th, sum(cdu.capacity_kw_th for cdu in working))
        self.heat_missing_kw_th = liquid_kw_th - taken_kw_th if self.cdus else 0.0
        # a unit that still runs with a fault takes nothing more than what its loop holds
        for cdu in self.cdus:
            share = taken_kw_th / len(working) if cdu in working else 0.0
            cdu.advance(share, self._facility_degc(ambient_degc), dt_s)
        fans_kw = self._blow(taken_kw_th if self.cdus else liquid_kw_th, ambient_degc, dt_s)
        self._chill(chilled_kw_th, max(0.0, load_kw - fans_kw), dt_s)

    def _facility_degc(self, ambient_degc: float) -> float:
        """Return the temperature of the facility water."""
        working = [cooler.supply_degc for cooler in self.dry_coolers if cooler.fault is None]
        lowest = ambient_degc if not working else sum(working) / len(working)
        return max(lowest, self.plant.facility_supply_degc)

    def _blow(self, heat_kw_th: float, ambient_degc: float, dt_s: float) -> float:
        """Give heat off by dry coolers; return the power of all their fans."""
        working = [cooler for cooler in self.dry_coolers if cooler.fault is None]
        for cooler in self.dry_coolers:
            share = heat_kw_th / len(working) if cooler in working else 0.0
            setpoint_degc = self.plant.facility_supply_degc
            cooler.advance(heat_kw_th=share, ambient_degc=ambient_degc, setpoint_degc=setpoint_degc, dt_s=dt_s)
        return sum(fan_kw(self.plant, cooler) for cooler in self.dry_coolers)

    def _chill(self, heat_kw_th: float, load_kw: float, dt_s: float) -> None:
        """Run as many chillers as the heat needs; they share it and the electricity that is left for them."""
        able = [chiller for chiller in self.chillers if chiller.fault is None]
        if not able:
            for chiller in self.chillers:
                chiller.advance(wanted=False, heat_kw_th=0.0, load_kw=0.0, dt_s=dt_s)
            return
        n_wanted = min(len(able), ceil(heat_kw_th / able[0].capacity_kw_th))
        running = sorted(able, key=lambda chiller: (not chiller.running, chiller.id))[:n_wanted]
        share = heat_kw_th / max(1, n_wanted)
        for chiller in self.chillers:
            wanted = chiller in running
            power_kw = load_kw / max(1, n_wanted)
            chiller.advance(wanted=wanted, heat_kw_th=share, load_kw=power_kw if wanted else 0.0, dt_s=dt_s)


def fan_kw(plant: CoolingPlant, cooler: TwinDryCooler) -> float:
    """Return the power of a dry cooler's fans."""
    return plant.dry_cooler_fan_frac * cooler.capacity_kw_th * cooler.fan_frac**3


def twin_units(plant: CoolingPlant, *, ambient_degc: float) -> TwinUnits:
    """Return the units that a site reads, at rest."""
    supply_degc = plant.facility_supply_degc + _APPROACH_K + 1.0
    return TwinUnits(
        plant=plant,
        cdus=tuple(
            TwinCdu(
                id=unit,
                capacity_kw_th=capacity,
                setpoint_degc=supply_degc,
                local_degc=supply_degc,
                supply_degc=supply_degc,
            )
            for unit, capacity in _each(plant.cdus)
        ),
        chillers=tuple(
            TwinChiller(
                id=unit,
                capacity_kw_th=capacity,
                setpoint_degc=plant.chilled_supply_degc,
                supply_degc=plant.chilled_supply_degc,
            )
            for unit, capacity in _each(plant.chillers)
        ),
        dry_coolers=tuple(
            TwinDryCooler(
                id=unit,
                capacity_kw_th=capacity,
                ambient_degc=ambient_degc,
                approach_k=plant.dry_cooler_approach_k,
                rise_k=plant.loop_delta_k,
            )
            for unit, capacity in _each(plant.dry_coolers)
        ),
    )


def _each(units: object) -> Sequence[tuple[str, float]]:
    ids: tuple[str, ...] = getattr(units, "unit_ids", ())
    return [(unit, float(getattr(units, "capacity_kw_th", 0.0))) for unit in ids]


def _free_frac(ambient_degc: float, chilled_degc: float) -> float:
    """Return the share of the room air's heat that outdoor air takes."""
    coldest = min(_FREE_AIR_DEGC, chilled_degc - _FREE_BAND_K)
    return min(1.0, max(0.0, 1.0 - (ambient_degc - coldest) / _FREE_BAND_K))


def _passed(dt_s: float, lag_s: float) -> float:
    return 1.0 - exp(-dt_s / lag_s)
