"""Two faults at once: more than reserve is kept for. Load goes by priority: first what the cluster is asked for."""

from collections.abc import Callable
from typing import Final

from ems.model.readings import GensetPhase
from tests.faults.port_site import CAMPUS, CAMPUS_NOON, DESERT, HALL, NIGHT, PortSite
from tests.faults.result import Fault, Found, Twin

# a little below the desert's energy floor, so that some sets run
_SETS_RUN_PCT: Final = 9.4
# at the campus stored energy does not carry an outage, so that sets have to start
_SETS_NEEDED_PCT: Final = 12.0
_N_FAILED_STARTS: Final = 3
_RIDE_S: Final = 300


def set_and_block() -> Found:
    """D01: the set with the greatest power and the AC block with the greatest power trip in the same second."""
    site = PortSite(DESERT, NIGHT, soc_pct=_SETS_RUN_PCT)
    site.run(120)
    sets = {unit: genset.power_kw for unit, genset in site.plant.gensets.items() if genset.breaker_closed}
    if not sets:
        return site.found(None, "no set was running", "no set runs below the floor")
    genset = max(sets, key=lambda unit: sets[unit])
    block = max(site.plant.blocks, key=lambda unit: site.plant.blocks[unit].power_kw)
    lost_kw = sets[genset] + site.plant.blocks[block].power_kw

    def both() -> None:
        site.plant.gensets[genset].trip()
        site.plant.blocks[block].trip()

    return _ridden(site, both, f"{genset} and {block} with {lost_kw:.0f} kW lost")


def sun_and_cdu() -> Found:
    """D02: a PV block and the pumps of a CDU go in the same second."""
    site = PortSite(HALL, CAMPUS_NOON)
    site.settle()

    def both() -> None:
        site.days.sun_fracs = {0: 0.0}
        site.plant.cooling_units.cdus[0].pump_failed = True

    return _ridden(site, both, "a PV block and the pumps of a CDU lost")


def grid_and_starts() -> Found:
    """D03: the grid goes while storage is low, and the first three sets that are started fail."""
    site = PortSite(CAMPUS, CAMPUS_NOON, soc_pct=_SETS_NEEDED_PCT)
    site.settle()
    grid = site.plant.grid
    assert grid is not None
    for genset in site.plant.gensets.values():
        genset.start_failure_frac = 1.0

    def lost() -> None:
        grid.forced = True

    def heal() -> None:
        """Let no set fail any more once three have."""
        if sum(each.phase is GensetPhase.FAULT for each in site.plant.gensets.values()) >= _N_FAILED_STARTS:
            for each in site.plant.gensets.values():
                each.start_failure_frac = 0.0

    found = _ridden(site, lost, "the grid lost", every_second=heal)
    n_failed = sum(each.phase is GensetPhase.FAULT for each in site.plant.gensets.values())
    running = sum(each.breaker_closed for each in site.plant.gensets.values())
    told = f"{found.told}, {n_failed} starts failed, {running} sets run"
    return Found(
        detect_s=found.detect_s,
        state=found.state,
        unserved_kwh=found.unserved_kwh,
        told=told,
        wrong=(*found.wrong, *(() if n_failed >= _N_FAILED_STARTS else ("no three starts failed",))),
    )


def _ridden(
    site: PortSite, begin: Callable[[], None], what: str, *, every_second: Callable[[], None] | None = None
) -> Found:
    """Cause the faults and ride them out; load that is lost before the cluster was asked is lost by no priority."""
    site.fault()
    begin()
    asked_s: float | None = None
    early_kwh = 0.0
    for second in range(_RIDE_S):
        site.run(1)
        if every_second is not None:
            every_second()
        if site.cycle.state.shed.order is not None and asked_s is None:
            asked_s = float(second)
        if asked_s is None:
            early_kwh = site.unserved_kwh
    asked = "the cluster was not asked" if asked_s is None else f"the cluster was asked after {asked_s:.0f} s"
    return Found(
        detect_s=None,
        state=site.cycle.state.mode.value,
        # what the cluster was asked for before is shed by priority
        unserved_kwh=early_kwh if asked_s is None else 0.0,
        told=f"{what}; {asked}, {site.unserved_kwh:.3g} kWh of load lost",
        wrong=(f"{early_kwh:.3g} kWh lost before the cluster was asked",) if early_kwh > 0.0 else (),
    )


def _double(row: str, failure: str, scenario: Callable[[], Found], *, site: str, states: tuple[str, ...]) -> Fault:
    return Fault(
        id=row,
        failure=failure,
        site=site,
        twin=Twin.PORT,
        bound_s=None,
        required="shed only by priority: what the cluster is asked for comes before any load that is lost",
        safe="-",
        scenario=scenario,
        states=states,
    )


DOUBLES: Final = (
    _double("D01", "largest genset and AC block lost", set_and_block, site=DESERT, states=("island",)),
    _double("D02", "PV block and CDU lost", sun_and_cdu, site=HALL, states=("island", "grid")),
    _double("D03", "grid lost and three starts failed", grid_and_starts, site=CAMPUS, states=("island",)),
)
