"""Which values of a cycle the historian keeps, by name; the end of each name is its unit.

Powers are positive into the site bus. A value that is not known is None and is not written, so a gap in the record
is a gap in knowledge. What can be true or false is 1 or 0.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ems.control.guard import Rule
from ems.control.readiness import Readiness
from ems.control.state import Forming, Mode
from ems.control.step import Decision
from ems.model.readings import GensetPhase
from ems.model.snapshot import SiteSnapshot

# positions of names in these lists are what is recorded; new names go to the end
MODES: Final = (
    Mode.INIT,
    Mode.GRID,
    Mode.ISLAND,
    Mode.DEGRADED,
    Mode.PLANNED_ISLANDING,
    Mode.UNPLANNED_ISLANDING,
    Mode.RESYNC,
    Mode.DEAD_BUS,
    Mode.BLACK_START,
    Mode.E_STOP,
)
FORMING: Final = (Forming.GRID, Forming.PCS, Forming.GENSET, Forming.NONE)
PHASES: Final = (
    GensetPhase.STOPPED,
    GensetPhase.STARTING,
    GensetPhase.WARMING_UP,
    GensetPhase.SYNCHRONISING,
    GensetPhase.RUNNING,
    GensetPhase.COOLING_DOWN,
    GensetPhase.FAULT,
)

_RACK_VALUES: Final = (
    *("soc_pct", "voltage_v", "current_a", "cell_max_v", "cell_min_v", "cell_max_degc", "cell_min_degc"),
    *("max_charge_a", "max_discharge_a", "insulation_kohm"),
)


def points(snapshot: SiteSnapshot, decision: Decision) -> dict[str, float | None]:
    """Return every point of one cycle: measured values, setpoints, storage, reserve."""
    return dict(
        (
            *_site(snapshot, decision),
            *_reserve(decision),
            *_guard(decision),
            *_assets(snapshot),
            *_setpoints(decision),
        )
    )


def readiness_points(readiness: Readiness | None) -> dict[str, float | None]:
    """Return the resilience index, its components and what each single loss would mean."""
    if readiness is None:
        return {}
    values: dict[str, float | None] = {"readiness.index_pct": readiness.index_pct}
    values["readiness.thermal_min"] = readiness.thermal_min
    values |= {f"readiness.{each.name}_frac": each.share_frac for each in readiness.components}
    for loss in readiness.survivals:
        values[f"readiness.{loss.kind}.short_kw"] = loss.short_kw
        values[f"readiness.{loss.kind}.lives_h"] = loss.lives_h
    if readiness.r2 is not None:
        values["reserve.r2.required_kw"] = readiness.r2.required_kw
        values["reserve.r2.held_kw"] = readiness.r2.held_kw
    return values


def rack_points(snapshot: SiteSnapshot) -> dict[str, float | None]:
    """Return what every rack measures; there are many, and they change slowly."""
    values: dict[str, float | None] = {}
    for container in (each for block in snapshot.blocks for each in block.racks):
        for rack in container.racks:
            name = f"rack.{container.container_id}.{rack.number}"
            values |= {f"{name}.{value}": getattr(rack, value) for value in _RACK_VALUES}
            values[f"{name}.in_service"] = _flag(rack.in_service)
    return values


def _site(snapshot: SiteSnapshot, decision: Decision) -> Iterator[tuple[str, float | None]]:
    powers, storage, pcc = decision.powers, decision.storage, snapshot.pcc
    yield "site.mode", float(MODES.index(decision.state.mode))
    yield "site.forming", None if decision.forming is None else float(FORMING.index(decision.forming))
    yield "site.pv_kw", powers.pv_kw
    yield "site.pv_available_kw", powers.pv_available_kw
    yield "site.genset_kw", powers.gensets_kw
    yield "site.storage_kw", powers.storage_kw
    yield "site.load_kw", powers.load_kw
    yield "site.it_load_kw", snapshot.it.load_kw
    yield "site.cooling_load_kw", snapshot.cooling_load.load_kw
    yield "site.aux_load_kw", snapshot.aux.load_kw
    yield "site.frequency_hz", snapshot.frequency_hz
    yield "site.ambient_degc", snapshot.cooling.ambient_degc
    yield "site.tank_l", snapshot.tank_l
    yield "site.n_clips", float(len(decision.clips))
    yield "site.n_problems", float(len(snapshot.problems))
    if pcc is not None:
        yield "pcc.power_kw", pcc.power_kw
        yield "pcc.closed", _flag(pcc.breaker_closed)
        yield "pcc.target_kw", decision.import_target_kw
    if storage is not None:
        yield "storage.soc_pct", storage.soc_pct
        yield "storage.floor_pct", storage.floor_pct
        yield "storage.stored_kwh", storage.stored_kwh
        yield "storage.max_charge_kw", storage.max_charge_kw
        yield "storage.max_discharge_kw", storage.max_discharge_kw


def _reserve(decision: Decision) -> Iterator[tuple[str, float | None]]:
    for item in decision.assessments:
        yield f"reserve.{item.id.value}.required_kw", item.required_kw
        yield f"reserve.{item.id.value}.held_kw", item.held_kw


def _guard(decision: Decision) -> Iterator[tuple[str, float | None]]:
    clips = Counter(clip.rule for clip in decision.clips)
    for rule in Rule:
        yield f"guard.{rule.value}.n_clips", float(clips[rule])


def _assets(snapshot: SiteSnapshot) -> Iterator[tuple[str, float | None]]:
    for block in snapshot.blocks:
        yield f"block.{block.id}.power_kw", block.power_kw
        yield f"block.{block.id}.soc_pct", block.soc_pct
        yield f"block.{block.id}.cell_max_degc", block.cell_max_degc
        yield f"block.{block.id}.forming", _flag(block.forming)
        if block.racks:
            yield f"block.{block.id}.rack_spread_pct", block.spread.within_pct
    for genset in snapshot.gensets:
        yield f"genset.{genset.id}.power_kw", genset.power_kw
        yield f"genset.{genset.id}.phase", None if genset.phase is None else float(PHASES.index(genset.phase))
        yield f"genset.{genset.id}.fuel_used_l", genset.fuel_used_l
    for pv in snapshot.pv:
        yield f"pv.{pv.id}.power_kw", pv.power_kw
        yield f"pv.{pv.id}.available_kw", pv.available_kw
    for cdu in snapshot.cooling.cdus:
        yield f"cdu.{cdu.id}.supply_degc", cdu.supply_degc
        yield f"cdu.{cdu.id}.return_degc", cdu.return_degc
        yield f"cdu.{cdu.id}.flow_m3_per_h", cdu.flow_m3_per_h
        yield f"cdu.{cdu.id}.heat_kw_th", cdu.heat_kw_th
        yield f"cdu.{cdu.id}.leak", _flag(cdu.leak)
    for chiller in snapshot.cooling.chillers:
        yield f"chiller.{chiller.id}.running", _flag(chiller.running)
        yield f"chiller.{chiller.id}.supply_degc", chiller.supply_degc
        yield f"chiller.{chiller.id}.load_kw", chiller.load_kw
    for cooler in snapshot.cooling.dry_coolers:
        yield f"dry_cooler.{cooler.id}.fan_pct", cooler.fan_pct
        yield f"dry_cooler.{cooler.id}.supply_degc", cooler.supply_degc
        yield f"dry_cooler.{cooler.id}.load_kw", cooler.load_kw


def _setpoints(decision: Decision) -> Iterator[tuple[str, float | None]]:
    for block in decision.setpoints.blocks:
        yield f"block.{block.id}.setpoint_kw", block.power_kw
    for genset in decision.setpoints.gensets:
        yield f"genset.{genset.id}.setpoint_kw", genset.power_kw if genset.run else None
        yield f"genset.{genset.id}.run", _flag(genset.run)
    for pv in decision.setpoints.pv:
        yield f"pv.{pv.id}.limit_kw", pv.limit_kw
    for unit in decision.setpoints.supplies:
        yield f"cooling.{unit.id}.supply_setpoint_degc", unit.supply_degc


def _flag(value: bool | None) -> float | None:  # noqa: FBT001 - the value itself
    return None if value is None else float(value)
