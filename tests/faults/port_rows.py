"""The rows that the port twin can show: failures of sets, storage, sun, load, cooling and grid."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ems.control.state import Mode
from ems.model.readings import BmsReading, GensetPhase, PccReading, PcsReading, Reading
from ems.model.requests import OperatorRequests
from ems.runtime.cycle import CycleRecord
from tests.faults.port_site import CAMPUS, CAMPUS_NOON, DESERT, DESERT_DAY, HALL, NIGHT, PortSite, merged
from tests.faults.result import Found
from tests.runtime.tied import RULES

# below the desert's energy floor sets have to run
_LOW_SOC_PCT: Final = 8.0
# a little below it some are enough
_JUST_BELOW_PCT: Final = 9.4
_MOVING: Final = (GensetPhase.STARTING, GensetPhase.SYNCHRONISING, GensetPhase.RUNNING)


def pcc_meter_frozen() -> Found:
    """F05: the meter at the PCC goes on showing what it showed when the load falls by a third."""
    site = PortSite(CAMPUS, CAMPUS_NOON)
    site.settle()
    shown = site.devices["pcc"].reading()
    assert isinstance(shown, PccReading)

    def frozen(reading: Reading) -> Reading:
        assert isinstance(reading, PccReading)
        return replace(reading, power_kw=shown.power_kw)

    site.days.load_frac = 0.7
    site.spoilt["pcc"].change = frozen
    # the meter is wrong from the moment on in which the load is another one
    site.run(1)
    site.fault()
    detect_s = site.noticed(lambda record: "balance" in record.alarms, patience_s=60)
    record = site.run(30)
    derived = record.snapshot.pcc is not None and record.snapshot.pcc.metered_kw is not None
    return site.found(detect_s, "the sum of the other meters counts", None if derived else "no derived value")


def starts_fail() -> Found:
    """F27: the first three sets that are started fail; others must start."""
    site = PortSite(DESERT, NIGHT, soc_pct=_LOW_SOC_PCT)
    for genset in site.plant.gensets.values():
        genset.start_failure_frac = 1.0
    site.fault()
    failed: dict[str, float] = {}
    for _ in range(600):
        record = site.run(1)
        new = [u for u, g in site.plant.gensets.items() if g.phase is GensetPhase.FAULT and u not in failed]
        failed |= dict.fromkeys(new, record.snapshot.at_s)
        tried = [unit for unit, genset in site.plant.gensets.items() if genset.n_starts]
        if len(tried) >= 3:
            for unit, genset in site.plant.gensets.items():
                if unit not in tried:
                    genset.start_failure_frac = 0.0
        if len(failed) >= 3 and any(g.phase is GensetPhase.RUNNING for g in site.plant.gensets.values()):
            break
    running = [unit for unit, genset in site.plant.gensets.items() if genset.phase is GensetPhase.RUNNING]
    waits = [site.plant.gensets[unit].started_at_s[-1] - min(failed.values()) for unit in running if failed]
    told = f"{len(failed)} starts failed, {', '.join(running) or 'none'} runs instead"
    return site.found(
        max(0.0, min(waits)) if waits else None, told, None if len(failed) >= 3 else f"only {len(failed)} sets tried"
    )


def genset_trips() -> Found:
    """F28: the set with the greatest power trips under load."""
    site = PortSite(DESERT, NIGHT, soc_pct=_JUST_BELOW_PCT)
    site.run(90)
    running = {unit: genset.power_kw for unit, genset in site.plant.gensets.items() if genset.breaker_closed}
    if not running:
        return site.found(None, "no set was running", "no set runs below the floor")
    largest = max(running, key=lambda unit: running[unit])
    others = {unit for unit, genset in site.plant.gensets.items() if genset.phase in _MOVING} - {largest}
    site.fault()
    site.plant.gensets[largest].trip()
    detect_s = site.noticed(
        lambda record: any(g.id == largest and g.phase is GensetPhase.FAULT for g in record.snapshot.gensets),
        patience_s=10,
    )
    site.run(120)
    now = {unit for unit, genset in site.plant.gensets.items() if genset.phase in _MOVING}
    more = now - others
    told = f"{largest} with {running[largest]:.0f} kW is lost; {', '.join(sorted(more)) or 'no further set'} started"
    return site.found(detect_s, told, None if more else "no set replaces it")


def pcs_refuses() -> Found:
    """F29: a PCS that refuses its setpoints, and one that is under local control."""

    def refuses(site: PortSite, block: str) -> None:
        site.spoilt[block].refuses = True

    def local(site: PortSite, block: str) -> None:
        def shown(reading: Reading) -> Reading:
            assert isinstance(reading, PcsReading)
            return replace(reading, remote=False)

        site.spoilt[block].change = shown

    return merged({"setpoints refused": _pcs_excluded(refuses), "local control": _pcs_excluded(local)})


def _pcs_excluded(spoil: Callable[[PortSite, str], None]) -> Found:
    site = PortSite(DESERT, NIGHT)
    site.settle()
    block = min(site.plant.blocks)
    spoil(site, block)
    site.fault()
    detect_s = site.noticed(lambda record: block in record.missed or not _controllable(record, block), patience_s=60)
    site.run(30)
    return site.found(detect_s, f"{block} is planned without, the others take its share")


def _controllable(record: CycleRecord, block_id: str) -> bool:
    return any(block.id == block_id and block.controllable for block in record.snapshot.blocks)


def fallback_stops() -> Found:
    """F30: no PCS shows its fall-back as armed; a planned islanding must be refused."""
    site = PortSite(CAMPUS, CAMPUS_NOON, tie=RULES)

    def unarmed(reading: Reading) -> Reading:
        assert isinstance(reading, PcsReading)
        return replace(reading, fallback_armed=False)

    site.settle()
    for block in site.plant.blocks:
        site.spoilt[block].change = unarmed
    site.fault()
    detect_s = site.noticed(lambda record: record.decision.state.islanding_refusal is not None, patience_s=10)
    site.requests = OperatorRequests(island=True)
    site.run(60)
    left = Mode.ISLAND in site.modes or Mode.PLANNED_ISLANDING in site.modes
    return site.found(
        detect_s, "islanding refused", "the site leaves the grid without an armed fall-back" if left else None
    )


def protection_group_wrong() -> Found:
    """F40: the protection devices show another settings group than that of the island."""
    site = PortSite(CAMPUS, CAMPUS_NOON, tie=RULES)

    def other(reading: Reading) -> Reading:
        assert isinstance(reading, PccReading)
        return replace(reading, island_group=2)

    site.settle()
    site.spoilt["pcc"].change = other
    site.fault()
    detect_s = site.noticed(lambda record: record.decision.state.islanding_refusal is not None, patience_s=10)
    site.requests = OperatorRequests(island=True)
    record = site.run(60)
    left = Mode.ISLAND in site.modes or Mode.PLANNED_ISLANDING in site.modes
    told = str(record.decision.state.islanding_refusal)
    return site.found(detect_s, told, "leaves the grid all the same" if left else None)


def battery_lost() -> Found:
    """F31: fire or lost insulation, cells too hot, and AC blocks that trip while discharging and while charging."""
    return merged(
        {
            "fire": _battery_hazard("fire"),
            "insulation lost": _battery_hazard("insulation low"),
            "cells at 60 degC": _hot_cells(),
            "AC block discharging": _block_trips(PortSite(DESERT, NIGHT), charging=False),
            "AC block charging at noon": _block_trips(PortSite(DESERT, DESERT_DAY), charging=True),
        }
    )


def _battery_hazard(fault: str) -> Found:
    site = PortSite(DESERT, NIGHT)
    site.settle()
    block = site.site.batteries[0].blocks[0]

    def burning(reading: Reading) -> Reading:
        assert isinstance(reading, BmsReading)
        return replace(reading, alarm=True, faults=(fault,))

    site.spoilt[block.container_ids[0]].change = burning
    site.fault()
    detect_s = site.noticed(lambda record: f"isolate:{block.id}" in record.alarms, patience_s=10)
    site.run(30)
    power_kw = site.plant.blocks[block.id].setpoint_kw
    return site.found(
        detect_s, "its block is asked to zero and isolated", None if abs(power_kw) < 1.0 else f"still {power_kw:.0f} kW"
    )


def _hot_cells() -> Found:
    site = PortSite(DESERT, NIGHT)
    site.settle()
    block = site.site.batteries[0].blocks[0]

    def hot(reading: Reading) -> Reading:
        assert isinstance(reading, BmsReading)
        return replace(reading, cell_max_degc=60.0)

    site.spoilt[block.container_ids[0]].change = hot
    site.fault()

    def at_zero(record: CycleRecord) -> bool:
        return any(each.id == block.id and abs(each.power_kw) < 1.0 for each in record.decision.setpoints.blocks)

    detect_s = site.noticed(at_zero, patience_s=30)
    site.run(30)
    return site.found(detect_s, "its block is asked to zero")


def _block_trips(site: PortSite, *, charging: bool) -> Found:
    site.settle()
    block = min(site.plant.blocks)
    before_kw = site.plant.blocks[block].power_kw
    site.fault()
    site.plant.blocks[block].trip()
    detect_s = site.noticed(
        lambda record: any(each.id == block and not each.ready for each in record.snapshot.blocks), patience_s=10
    )
    site.run(120)
    as_meant = before_kw < 0.0 if charging else before_kw > 0.0
    return site.found(
        detect_s, f"{block} at {before_kw:.0f} kW lost", None if as_meant else f"it ran at {before_kw:.0f} kW before"
    )


def soc_jumps() -> Found:
    """F32: a BMS is calibrated anew and shows 15 % less than before."""
    site = PortSite(DESERT, NIGHT)
    site.settle()
    block = site.site.batteries[0].blocks[0]
    before_pct = site.run(1).snapshot.blocks[0].soc_pct
    assert before_pct is not None

    def less(reading: Reading) -> Reading:
        assert isinstance(reading, BmsReading)
        return replace(reading, soc_pct=None if reading.soc_pct is None else reading.soc_pct - 15.0)

    for container in block.container_ids:
        site.spoilt[container].change = less
    site.fault()
    detect_s = site.noticed(lambda record: f"soc:{block.id}" in record.alarms, patience_s=30)
    now_pct = site.run(10).snapshot.blocks[0].soc_pct
    jumped = now_pct is None or abs(now_pct - before_pct) > 1.0
    return site.found(detect_s, "taken over gradually", f"planned with {now_pct} at once" if jumped else None)


def cdu_fails() -> Found:
    """F33: the pumps of one CDU fail, then those of all."""
    return merged({"one CDU": _cdus_fail(one=True), "all CDUs": _cdus_fail(one=False)})


def _cdus_fail(*, one: bool) -> Found:
    site = PortSite(HALL, CAMPUS_NOON)
    site.settle()
    cdus = site.plant.cooling_units.cdus
    for cdu in cdus[:1] if one else cdus:
        cdu.pump_failed = True
    site.fault()
    left_kw_th = sum(cdu.capacity_kw_th for cdu in cdus if not cdu.pump_failed)
    enough = left_kw_th >= site.plant.cooling.heat_kw_th * site.site.cooling.liquid_share_frac
    if enough:
        detect_s = site.noticed(
            lambda record: any(unit.available is False for unit in record.snapshot.cooling.cdus), patience_s=60
        )
        site.run(120)
        capped = site.cycle.state.shed.order is not None
        return site.found(
            detect_s,
            f"the others carry the heat ({left_kw_th:.0f} kW thermal)",
            "GPU power is capped although the others carry the heat" if capped else None,
        )
    detect_s = site.noticed(lambda record: record.decision.state.shed.order is not None, patience_s=120)
    order = site.cycle.state.shed.order
    told = "no power cap" if order is None else f"power cap asked of the cluster: {order.reason}"
    return site.found(detect_s, told)


def cooling_after_transfer() -> Found:
    """F34: the grid goes at full load; pumps and CDUs stay on the bus that the storage holds."""
    site = PortSite(CAMPUS, CAMPUS_NOON)
    site.settle()
    assert site.plant.grid is not None
    before_kw = site.plant.load.cooling_kw
    site.fault()
    site.plant.grid.forced = True
    lowest_kw = before_kw
    detect_s = site.noticed(lambda record: not record.decision.state.mode.is_parallel, patience_s=10)
    for _ in range(60):
        site.run(1)
        lowest_kw = min(lowest_kw, site.plant.load.cooling_kw)
    lost = lowest_kw < 0.8 * before_kw
    return site.found(detect_s, f"cooling stays at {lowest_kw:.0f} kW", "cooling lost its power" if lost else None)


def load_drops() -> Found:
    """F35: 60 % of the racks go at once, with sets running."""
    site = PortSite(DESERT, NIGHT, soc_pct=_LOW_SOC_PCT)
    site.run(150)
    running = sum(genset.breaker_closed for genset in site.plant.gensets.values())
    before_kw = site.plant.load.it_kw
    site.fault()
    site.days.load_frac = 0.4
    detect_s = site.noticed(
        lambda record: record.snapshot.it.load_kw is not None and record.snapshot.it.load_kw < 0.7 * before_kw,
        patience_s=10,
    )
    lowest_kw = 0.0
    for _ in range(120):
        site.run(1)
        lowest_kw = min(lowest_kw, *(genset.power_kw for genset in site.plant.gensets.values()))
    return site.found(
        detect_s,
        f"{running} sets ran, storage takes what they cannot lower at once",
        f"a set is driven with {lowest_kw:.0f} kW" if lowest_kw < 0.0 else None,
        None if running else "no set was running",
    )


def jobs_start() -> Found:
    """F36: all jobs start at once: the load rises by a third within a second."""
    site = PortSite(DESERT, NIGHT)
    site.days.load_frac = 0.7
    site.settle()
    site.fault()
    site.days.load_frac = 1.0
    before_kw = site.plant.load.it_kw
    site.run(120)
    rise_kw = site.plant.load.it_kw - before_kw
    return site.found(
        None,
        f"a step of {rise_kw:.0f} kW is carried",
        None if rise_kw > 1000.0 else f"the load rose by {rise_kw:.0f} kW only",
        must_notice=False,
    )


def sun_goes() -> Found:
    """F37: a cloud over the whole field, the loss of a PV block, and that of a collector with a third of them."""
    return merged(
        {"cloud to 20 %": _sun(0.2, every=True), "PV block": _sun(0.0, n=1), "MV collector": _sun(0.0, third=True)}
    )


def _sun(frac: float, *, every: bool = False, n: int = 0, third: bool = False) -> Found:
    site = PortSite(DESERT, DESERT_DAY)
    site.settle(90)
    before_kw = sum(pv.power_kw for pv in site.plant.pv.values())
    site.fault()
    if every:
        site.days.every_sun_frac = frac
    else:
        n = max(1, len(site.plant.pv) // 3) if third else n
        site.days.sun_fracs = dict.fromkeys(range(n), frac)
    site.run(120)
    after_kw = sum(pv.power_kw for pv in site.plant.pv.values())
    return site.found(
        None,
        f"PV from {before_kw:.0f} to {after_kw:.0f} kW is carried",
        None if after_kw < before_kw else "PV did not fall",
        must_notice=False,
    )


def voltage_sags() -> Found:
    """F38: the grid's voltage falls to half for less than the ride-through time."""
    site = PortSite(CAMPUS, CAMPUS_NOON, tie=RULES)
    site.settle()
    assert site.plant.grid is not None
    site.fault()
    site.plant.grid.dip_frac = 0.5
    site.run(1)
    site.plant.grid.dip_frac = None
    record = site.run(60)
    shed = record.decision.state.shed.order is not None
    opened = site.modes != [Mode.GRID]
    return site.found(
        None,
        "stays on the grid",
        "leaves the grid" if opened else None,
        "sheds load" if shed else None,
        must_notice=False,
    )


def grid_flickers() -> Found:
    """F39: the whole import is lost, and then the grid comes and goes six times."""
    return merged({"full import lost": _import_lost(), "flicker": _flicker()})


def _import_lost() -> Found:
    site = PortSite(CAMPUS, CAMPUS_NOON)
    site.settle()
    assert site.plant.grid is not None
    site.fault()
    site.plant.grid.forced = True
    detect_s = site.noticed(lambda record: not record.decision.state.mode.is_parallel, patience_s=10)
    site.run(300)
    return site.found(detect_s, "an island at once", None if site.cycle.state.mode is Mode.ISLAND else "no island")


def _flicker() -> Found:
    site = PortSite(CAMPUS, CAMPUS_NOON, tie=replace(RULES, healthy_s=20.0))
    site.settle()
    assert site.plant.grid is not None
    site.fault()
    for _ in range(6):
        site.plant.grid.forced = True
        site.run(30)
        site.plant.grid.forced = False
        site.run(110)
    n = site.modes.count(Mode.RESYNC)
    return site.found(
        None,
        f"{n} returns tried, then it stays islanded",
        None if n <= RULES.max_per_h else f"{n} attempts within the hour",
        must_notice=False,
    )
