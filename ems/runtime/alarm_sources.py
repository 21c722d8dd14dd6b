"""What is wrong now, as findings: of a cycle's record, and of what the daemon knows about itself.

Each finding names a kind of the catalogue (`ems.control.alarms`). Measured findings that stand already end only when
the value is back by the deadband of their kind.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ems.control.alarms import definition_of
from ems.control.measurement import Storage
from ems.control.state import Mode
from ems.model.annunciation import Finding
from ems.model.plan import Plan, PlanSource
from ems.model.readings import no_faults
from ems.model.requests import NO_REQUESTS, OperatorRequests
from ems.model.site import Site
from ems.model.units import frac
from ems.reserve import UP_CLASSES
from ems.runtime.cycle import CycleRecord

# SoC below the floor by less than this is the resolution of the measurement; a margin, the noise of the meters
_SOC_RESOLUTION_PCT: Final = 0.25
_SHORT_KW: Final = 1.0
_DISK: Final = "disk of the state directory"
_MODES: Final = {
    Mode.E_STOP: ("e_stop", "the emergency stop stands"),
    Mode.DEAD_BUS: ("dead_bus", "there is no voltage on the bus"),
    Mode.DEGRADED: ("degraded", "control holds the last setpoints"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnState:
    """What the daemon knows about itself after a cycle; texts by name, None or empty where nothing is wrong."""

    lost: Mapping[str, str] = field(default_factory=no_faults)
    exchanged: Mapping[str, str] = field(default_factory=no_faults)
    clips: Mapping[str, str] = field(default_factory=no_faults)
    # accepted risks and damaged files
    named: Mapping[str, str] = field(default_factory=no_faults)
    withheld: str | None = None
    over: tuple[str, ...] = ()
    failing: Mapping[str, int] = field(default_factory=dict)
    clock_step_s: float = 0.0
    books: str | None = None
    state_not_saved: bool = False
    troubles: tuple[str, ...] = ()
    plan: Plan | None = None
    cluster_is_silent: bool = False


def cycle_findings(
    site: Site, record: CycleRecord, standing: frozenset[str], requests: OperatorRequests = NO_REQUESTS
) -> Iterator[Finding]:
    """Yield what a cycle found wrong with the plant; `standing` are the alarms that are active."""
    yield from _named(record.alarms)
    yield from (
        Finding(kind="setpoint_missed", subject=asset, text=f"{asset} misses its setpoint: {reason}")
        for asset, reason in record.missed.items()
    )
    yield from _mode_findings(record, requests)
    yield from _reserve_findings(record, standing)
    yield from _storage_findings(record, standing)
    yield from _genset_findings(site, record, standing)
    order = record.decision.state.shed.order
    if order is not None and order.target_kw is not None:
        yield Finding(kind="load_shed", text=f"the cluster is asked to be at {order.target_kw:.0f} kW: {order.text}")


def own_findings(site: Site, record: CycleRecord, own: OwnState) -> Iterator[Finding]:
    """Yield what is wrong with devices as the daemon reaches them, with planning, and with the daemon itself."""
    yield from (
        Finding(kind="device_lost", subject=device, text=f"{device} does not answer: {reason}")
        for device, reason in own.lost.items()
    )
    yield from (
        Finding(kind="device_exchanged", subject=device, text=f"{device} is another device: {reason}")
        for device, reason in own.exchanged.items()
    )
    yield from _named(own.clips)
    yield from _named(own.named)
    yield from _plan_findings(site, record, own)
    yield from _process_findings(own)
    if own.cluster_is_silent:
        yield Finding(kind="cluster_silent", text="the cluster's side is silent: no flexibility is counted on")
    if own.clock_step_s:
        yield Finding(kind="clock_step", text=f"the machine's clock is {own.clock_step_s:+.1f} s from control's time")
    if own.books is not None:
        yield Finding(kind="books_failing", text=f"the books could not take a cycle: {own.books}")
    if own.state_not_saved:
        yield Finding(kind="state_not_saved", text="the disk has refused the controller's state")


def _named(alarms: Mapping[str, str]) -> Iterator[Finding]:
    """Yield alarms that are given by name: a kind, and after a colon what it concerns."""
    for name, text in alarms.items():
        kind, _, subject = name.partition(":")
        yield Finding(kind=kind, subject=subject, text=text)


def _mode_findings(record: CycleRecord, requests: OperatorRequests) -> Iterator[Finding]:
    state = record.decision.state
    if (named := _MODES.get(state.mode)) is not None:
        kind, text = named
        yield Finding(kind=kind, text=f"{text}: {state.mode_reason}")
    if state.black_start.hold is not None and state.mode in (Mode.DEAD_BUS, Mode.BLACK_START):
        yield Finding(kind="black_start_hold", text=f"the black start waits: {state.black_start.hold}")
    asked_for = requests.island or requests.stay_island or requests.e_stop
    if state.grid_lost_since_s is not None and not asked_for:
        yield Finding(kind="grid_lost", text=f"the site runs without its grid: {state.mode_reason}")


def _reserve_findings(record: CycleRecord, standing: frozenset[str]) -> Iterator[Finding]:
    if record.decision.state.mode is Mode.INIT:
        return
    for item in record.decision.assessments:
        if item.id not in UP_CLASSES:
            continue
        finding = Finding(
            kind="reserve_short",
            subject=item.id.value,
            text=f"the loss of {item.contingency} would not be covered: {-item.margin_kw:.0f} kW of {item.id.value} "
            "are short",
        )
        back_kw = frac(definition_of(finding.kind).deadband_pct) * item.required_kw
        if item.margin_kw < (back_kw if finding.id in standing else -_SHORT_KW):
            yield finding


def _storage_findings(record: CycleRecord, standing: frozenset[str]) -> Iterator[Finding]:
    storage = record.decision.storage
    if storage is None or record.decision.state.contingency is not None:
        # in a contingency storage may be below its floor, which is an alarm of its own
        return
    kind = "soc_below_floor"
    back_pct = definition_of(kind).deadband_pct
    if storage.soc_pct < storage.floor_pct + (back_pct if kind in standing else -_SOC_RESOLUTION_PCT):
        yield Finding(kind=kind, text=_below(storage))


def _below(storage: Storage) -> str:
    return f"SoC {storage.soc_pct:.1f} % is below its floor of {storage.floor_pct:.1f} %"


def _genset_findings(site: Site, record: CycleRecord, standing: frozenset[str]) -> Iterator[Finding]:
    now_s = record.snapshot.at_s
    for unit, track in record.decision.state.gensets.items():
        if track.failed_until_s is not None and track.failed_until_s > now_s:
            wait_min = (track.failed_until_s - now_s) / 60.0
            yield Finding(
                kind="failed_start", subject=unit, text=f"{unit} failed to start; left for {wait_min:.0f} min"
            )
    tank, fuel_l = site.tank, record.snapshot.tank_l
    if tank is None or fuel_l is None:
        return
    back_l = frac(definition_of("fuel_low").deadband_pct) * tank.capacity_l
    if fuel_l < tank.reserve_l + (back_l if "fuel_low" in standing else 0.0):
        yield Finding(kind="fuel_low", text=f"the tank holds {fuel_l:.0f} L, its reserve is {tank.reserve_l:.0f} L")


def _plan_findings(site: Site, record: CycleRecord, own: OwnState) -> Iterator[Finding]:
    limit_s = site.planning.max_age_periods * site.planning.period_s
    if record.decision.state.mode.may_plan:
        if own.plan is None:
            yield Finding(kind="plan_missing", text="there is no plan: control goes on by its rules")
        elif (age_s := own.plan.age_s(record.snapshot.utc)) > limit_s:
            yield Finding(
                kind="plan_missing", text=f"the newest plan is {age_s / 60.0:.0f} min old: rules are followed"
            )
        elif own.plan.source is not PlanSource.MILP:
            yield Finding(kind="plan_by_rules", text=f"plans come from the fallback chain ({own.plan.source.value})")
    if own.troubles:
        more = f" (and {len(own.troubles) - 1} more)" if len(own.troubles) > 1 else ""
        yield Finding(kind="planning_trouble", text=f"{own.troubles[0]}{more}")


def _process_findings(own: OwnState) -> Iterator[Finding]:
    if own.withheld is not None:
        yield Finding(kind="watchdog", text=f"the watchdog is not fed: {own.withheld}")
    for name in own.over:
        if name == _DISK:
            yield Finding(kind="disk_low", text="the disk of the state directory is nearly full")
        else:
            yield Finding(kind="process", subject=name, text=f"{name}: above its limit")
    for task, n_failures in own.failing.items():
        text = f"{task} fails again and again, {n_failures} times in a row"
        yield Finding(kind="task_failing", subject=task, text=text)


def gateway_findings(
    *, mqtt_trouble: str | None, history_trouble: str | None, sparkplug_trouble: str | None = None
) -> Iterable[Finding]:
    """Return what is wrong with broker and history; None where all is well."""
    if sparkplug_trouble is not None:
        text = f"the Sparkplug node has no connection: {sparkplug_trouble}"
        yield Finding(kind="mqtt_lost", subject="sparkplug", text=text)
    if mqtt_trouble is not None:
        yield Finding(kind="mqtt_lost", text=f"the broker is away: {mqtt_trouble}")
    if history_trouble is not None:
        yield Finding(kind="history_failing", text=f"the history cannot be written: {history_trouble}")
