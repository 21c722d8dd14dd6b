"""The process image: newest readings of all devices, judged by age and plausibility, frozen per asset."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from ems.model.alarm import reports_earth_fault, reports_fire
from ems.model.battery import AcBlock, BatteryPool
from ems.model.racks import rack_spread, racks_of
from ems.model.readings import (
    BmsReading,
    GensetReading,
    LoadReading,
    PccReading,
    PcsReading,
    PvReading,
    Reading,
    TankReading,
)
from ems.model.site import Site
from ems.model.snapshot import (
    BlockState,
    GensetState,
    LoadState,
    PccState,
    Problem,
    PvState,
    SiteSnapshot,
)
from ems.model.units import frac
from ems.ports import ControlsTie, Device, KnowsSuspicion, Withholds
from ems.runtime.cooling_image import cooling_state
from ems.runtime.refuted import without_refuted
from ems.runtime.safety_inputs import SafetyInputs

_UNKNOWN_LOAD = LoadState(load_kw=None, load_max_kw=None, energy_wh=None)
_UNKNOWN_PCC = PccState(
    power_kw=None,
    breaker_closed=None,
    grid_voltage_frac=None,
    bus_voltage_frac=None,
    frequency_hz=None,
    import_wh=None,
    export_wh=None,
)


_R = TypeVar("_R", bound=Reading)
# readings whose values enter the power balance: they are fast, and their spread in time counts
_FAST = (PcsReading, GensetReading, PvReading, PccReading, LoadReading)


class ImageBuilder:
    """Builds snapshots from a fixed set of devices."""

    def __init__(self, site: Site, devices: Mapping[str, Device]) -> None:
        """Take devices by the asset that they serve."""
        self._site = site
        self._devices = devices
        self._safety = SafetyInputs()
        everything: Mapping[str, object] = devices
        self._withholding = {asset: device for asset, device in everything.items() if isinstance(device, Withholds)}

    def snapshot(self, *, at_s: float, utc: datetime) -> SiteSnapshot:
        """Freeze the image of this instant."""
        fresh = self._fresh(at_s)
        image = SiteSnapshot(
            at_s=at_s,
            utc=utc,
            blocks=tuple(self._block(pool, block, fresh) for pool in self._site.batteries for block in pool.blocks),
            gensets=tuple(
                self._genset(unit, fresh.of(unit, GensetReading))
                for kind in self._site.gensets
                for unit in kind.unit_ids
            ),
            pv=tuple(
                self._pv(block, fresh.of(block, PvReading)) for plant in self._site.pv for block in plant.block_ids
            ),
            pcc=None if self._site.grid is None else self._pcc(fresh.of("pcc", PccReading)),
            it=_load(fresh.of("it", LoadReading)),
            cooling_load=_load(fresh.of("cooling", LoadReading)),
            aux=_load(fresh.of("aux", LoadReading)),
            cooling=cooling_state(self._site.cooling, fresh, controller="cooling_plant"),
            tank_l=_tank(fresh.of("tank", TankReading)),
            frequency_hz=_frequency(fresh),
            safety=self._safety.state(fresh.by_asset),
            problems=fresh.problems,
            spread_s=fresh.spread_s,
        )
        device_ids = {asset: device.device_id for asset, device in self._devices.items()}
        return without_refuted(self._site, image, device_ids=device_ids)

    def _fresh(self, at_s: float) -> "_Fresh":
        control = self._site.control
        readings: dict[str, Reading] = {}
        problems: list[Problem] = []
        fast_at: list[float] = []
        for asset, device in self._devices.items():
            reading = device.reading()
            if reading is None:
                problems.append(
                    Problem(device_id=device.device_id, value="all", reason=device.trouble() or "not read yet")
                )
                continue
            fast = isinstance(reading, _FAST)
            age_s = at_s - reading.at_s
            if age_s > (control.stale_fast_s if fast else control.stale_slow_s):
                reason = device.trouble() or f"{age_s:.1f} s old"
                problems.append(Problem(device_id=device.device_id, value="all", reason=f"stale: {reason}"))
                continue
            if fast:
                fast_at.append(reading.at_s)
            problems += [
                Problem(device_id=device.device_id, value=name, reason=why) for name, why in reading.bad.items()
            ]
            if (suspicion := self._suspicion(asset)) is not None:
                problems.append(Problem(device_id=device.device_id, value="headroom", reason=suspicion))
            # a device that does not answer is commanded no more, seconds before its last values are too old
            uncommanded = self._withheld(asset) or (device.trouble() if asset in self._withholding else None)
            if uncommanded is not None:
                problems.append(Problem(device_id=device.device_id, value="setpoint", reason=uncommanded))
            readings[asset] = reading
        spread = max(fast_at) - min(fast_at) if fast_at else 0.0
        return _Fresh(by_asset=readings, problems=tuple(problems), spread_s=spread)

    def _suspicion(self, asset: str) -> str | None:
        device = self._devices.get(asset)
        return device.suspicion() if isinstance(device, KnowsSuspicion) else None

    def _controllable(self, asset: str, *, remote: bool | None) -> bool:
        device = self._devices.get(asset)
        if device is None or device.trouble() is not None or remote is False:
            return False
        return self._withheld(asset) is None

    def _withheld(self, asset: str) -> str | None:
        """Return why the driver of an asset takes no commands for it now."""
        device = self._withholding.get(asset)
        return None if device is None else device.withheld()

    def _block(self, pool: BatteryPool, block: AcBlock, fresh: "_Fresh") -> BlockState:
        """Join a PCS with the containers behind it; containers that are not heard count for nothing."""
        pcs = fresh.of(block.id, PcsReading)
        found = [
            (container, bms)
            for container in block.container_ids
            if (bms := fresh.of(container, BmsReading)) is not None
        ]
        heard = [bms for _, bms in found if bms.soc_pct is not None]
        soc_pct = sum(bms.soc_pct or 0.0 for bms in heard) / len(heard) if heard else None
        members = [reading for reading in (pcs, *(bms for _, bms in found)) if reading is not None]
        fire = any(reports_fire(reading) for reading in members)
        earth_fault = any(reports_earth_fault(reading) for reading in members)
        full = sum(pool.container_kwh * frac(100.0 if bms.soh_pct is None else bms.soh_pct) for bms in heard)
        return BlockState(
            id=block.id,
            power_kw=None if pcs is None else pcs.power_kw,
            setpoint_kw=None if pcs is None else pcs.setpoint_kw,
            forming=None if pcs is None else pcs.forming,
            ready=pcs is not None and pcs.ready is True and pcs.power_kw is not None,
            controllable=pcs is not None and self._controllable(block.id, remote=pcs.remote),
            fallback_armed=None if pcs is None else pcs.fallback_armed,
            soc_pct=soc_pct,
            full_kwh=full if heard else None,
            max_charge_kw=_tightest(
                _total(bms.max_charge_kw for bms in heard) if heard else None,
                None if pcs is None else pcs.max_charge_kw,
                None if pcs is None else pcs.rated_kw,
            ),
            max_discharge_kw=_tightest(
                _total(bms.max_discharge_kw for bms in heard) if heard else None,
                None if pcs is None else pcs.max_discharge_kw,
                None if pcs is None else pcs.rated_kw,
            ),
            cell_max_degc=max((bms.cell_max_degc for bms in heard if bms.cell_max_degc is not None), default=None),
            cell_max_v=max((bms.cell_max_v for bms in heard if bms.cell_max_v is not None), default=None),
            cell_min_v=min((bms.cell_min_v for bms in heard if bms.cell_min_v is not None), default=None),
            alarm=any(bms.alarm for bms in heard) or fire or earth_fault,
            fire=fire,
            earth_fault=earth_fault,
            discharge_wh=None if pcs is None else pcs.discharge_wh,
            charge_wh=None if pcs is None else pcs.charge_wh,
            suspect=self._suspicion(block.id) is not None,
            spread=rack_spread(heard, soc_pct=soc_pct),
            racks=racks_of(found),
            rated_kw=None if pcs is None else pcs.rated_kw,
        )

    def _genset(self, unit: str, reading: GensetReading | None) -> GensetState:
        if reading is None:
            return GensetState(
                id=unit,
                phase=None,
                power_kw=None,
                setpoint_kw=None,
                breaker_closed=None,
                controllable=False,
                energy_wh=None,
                fuel_used_l=None,
                run_h=None,
                n_starts=None,
            )
        return GensetState(
            id=unit,
            phase=reading.phase,
            power_kw=reading.power_kw,
            setpoint_kw=reading.setpoint_kw,
            breaker_closed=reading.breaker_closed,
            controllable=self._controllable(unit, remote=reading.remote),
            energy_wh=reading.energy_wh,
            fuel_used_l=reading.fuel_used_l,
            run_h=reading.run_h,
            n_starts=reading.n_starts,
            engine_state=reading.engine_state,
            mode=reading.mode,
            warnings=reading.warnings,
            shutdowns=reading.shutdowns,
            trips=reading.trips,
            load_pct=reading.load_pct,
            engine_rpm=reading.engine_rpm,
            frequency_hz=reading.frequency_hz,
            oil_kpa=reading.oil_kpa,
            coolant_degc=reading.coolant_degc,
            fuel_pct=reading.fuel_pct,
            battery_v=reading.battery_v,
            suspect=self._suspicion(unit) is not None,
            fallback_armed=reading.fallback_armed,
            rated_kw=reading.rated_kw,
        )

    def _pv(self, block: str, reading: PvReading | None) -> PvState:
        if reading is None:
            return PvState(
                id=block, power_kw=None, available_kw=None, limit_kw=None, controllable=False, energy_wh=None
            )
        return PvState(
            id=block,
            power_kw=reading.power_kw,
            available_kw=reading.available_kw,
            limit_kw=reading.limit_kw,
            controllable=self._controllable(block, remote=reading.remote),
            energy_wh=reading.energy_wh,
            suspect=self._suspicion(block) is not None,
            fallback_armed=reading.fallback_armed,
            rated_kw=reading.rated_kw,
        )

    def _pcc(self, reading: PccReading | None) -> PccState:
        if reading is None:
            return _UNKNOWN_PCC
        takes = isinstance(self._devices.get("pcc"), ControlsTie)
        return PccState(
            power_kw=reading.power_kw,
            breaker_closed=reading.breaker_closed,
            grid_voltage_frac=reading.grid_voltage_frac,
            bus_voltage_frac=reading.bus_voltage_frac,
            frequency_hz=reading.frequency_hz,
            import_wh=reading.import_wh,
            export_wh=reading.export_wh,
            grid_frequency_hz=reading.grid_frequency_hz,
            angle_deg=reading.angle_deg,
            island_group=reading.island_group,
            permitted=reading.permitted,
            controllable=takes and self._controllable("pcc", remote=reading.remote),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fresh:
    """Readings by asset that are young enough, and what is wrong with the others."""

    by_asset: Mapping[str, Reading]
    problems: tuple[Problem, ...]
    spread_s: float

    def of(self, asset: str, kind: type[_R]) -> _R | None:
        """Return the fresh reading of an asset, None if there is none of that kind."""
        reading = self.by_asset.get(asset)
        return reading if isinstance(reading, kind) else None


def _total(values: Iterable[float | None]) -> float:
    """Return the sum; a limit that is not known counts as zero."""
    return sum(value or 0.0 for value in values)


def _tightest(batteries_kw: float | None, *pcs_kw: float | None) -> float | None:
    """Return what batteries and PCS both allow; without the batteries' word nothing is known."""
    return None if batteries_kw is None else min((batteries_kw, *(limit for limit in pcs_kw if limit is not None)))


def _load(reading: LoadReading | None) -> LoadState:
    if reading is None:
        return _UNKNOWN_LOAD
    return LoadState(load_kw=reading.load_kw, load_max_kw=reading.load_max_kw, energy_wh=reading.energy_wh)


def _tank(reading: TankReading | None) -> float | None:
    return None if reading is None else reading.fuel_l


def _frequency(fresh: _Fresh) -> float | None:
    pcc = fresh.of("pcc", PccReading)
    if pcc is not None and pcc.frequency_hz is not None:
        return pcc.frequency_hz
    seen = [
        reading.frequency_hz
        for reading in fresh.by_asset.values()
        if isinstance(reading, PcsReading) and reading.frequency_hz is not None
    ]
    return sum(seen) / len(seen) if seen else None
