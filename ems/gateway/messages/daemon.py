"""Messages about the daemon and its accounts: health, events, energy, carbon."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite

from ems.contract.accounts import CarbonBudgetPart, CarbonMessage, EnergyMessage
from ems.contract.daemon import (
    DiskPart,
    EventMessage,
    HealthMessage,
    HistorianPart,
    ProcessPart,
    PublisherPart,
    QueuePart,
    SinkPart,
    WatchdogPart,
)
from ems.gateway.messages.alarms import alarms_part
from ems.gateway.messages.links import links_part
from ems.gateway.mqtt import PublisherStatistics
from ems.model.annunciation import AlarmCounts
from ems.model.link_status import LinkStatus
from ems.model.status import (
    CarbonBudgetState,
    CarbonTotals,
    EnergyTotals,
    FootprintStatus,
    HealthStatus,
    HistorianStatistics,
    PlanCounts,
    PulseStatus,
)


def health_message(
    utc: datetime,
    status: HealthStatus,
    counts: PlanCounts,
    *,
    links: Sequence[LinkStatus],
    alarms: AlarmCounts,
    mqtt: PublisherStatistics | None,
    historian: HistorianStatistics | None,
) -> HealthMessage:
    """Return the daemon's own state; `historian` None where it is switched off."""
    return HealthMessage(
        ts=utc,
        version=status.version,
        started_utc=status.started_utc,
        pid=status.pid,
        solver_pid=status.solver_pid,
        n_solver_restarts=status.n_solver_restarts,
        speed_frac=status.speed_frac,
        stretch_frac=status.stretch_frac,
        n_ticks=status.n_ticks,
        tick_late_s=status.tick_late_s,
        n_devices=status.n_devices,
        lost_devices=status.lost_devices,
        troubles=status.troubles,
        plans_made=counts.made,
        plans_fallback=counts.fallback,
        plans_rejected_by_check=counts.rejected_by_check,
        solve_p50_s=counts.solve_p50_s,
        solve_p95_s=counts.solve_p95_s,
        plans_compared=counts.n_compared,
        plan_unit_change_h=counts.unit_change_h,
        plan_change_kw=counts.change_kw,
        alarms=alarms_part(alarms),
        links=links_part(links),
        mqtt=None if mqtt is None else _publisher(mqtt),
        historian=None if historian is None else _historian(historian),
        watchdog=_watchdog(status.pulse),
        process=_process(status.footprint),
        epoch=status.epoch,
        shadow=status.shadow,
        failing_tasks=dict(status.failing_tasks),
    )


def event_message(
    utc: datetime, *, kind: str, text: str, cause: str | None, figures: Mapping[str, float]
) -> EventMessage:
    """Return one event; figures that are no numbers are left out."""
    finite = {name: value for name, value in figures.items() if isfinite(value)}
    return EventMessage(ts=utc, kind=kind, text=text, cause=cause, figures=finite)


def energy_message(utc: datetime, totals: EnergyTotals, *, currency: str) -> EnergyMessage:
    """Return energy so far."""
    return EnergyMessage(
        ts=utc,
        since_utc=totals.since_utc,
        until_utc=totals.until_utc,
        pv_kwh=totals.pv_kwh,
        genset_kwh=totals.genset_kwh,
        import_kwh=totals.import_kwh,
        export_kwh=totals.export_kwh,
        charge_kwh=totals.charge_kwh,
        discharge_kwh=totals.discharge_kwh,
        it_kwh=totals.it_kwh,
        cooling_kwh=totals.cooling_kwh,
        aux_kwh=totals.aux_kwh,
        delivered_kwh=totals.delivered_kwh,
        fuel_l=totals.fuel_l,
        cost=totals.cost,
        currency=currency,
    )


def carbon_message(utc: datetime, totals: CarbonTotals) -> CarbonMessage:
    """Return emissions so far."""
    intensities = {
        "ci_operational_gco2e_per_kwh": totals.ci_operational_gco2e_per_kwh,
        "interval_gco2e_per_kwh": totals.interval_gco2e_per_kwh,
    }
    return CarbonMessage(
        ts=utc,
        quality={name: "unknown: no energy delivered yet" for name, value in intensities.items() if value is None},
        since_utc=totals.since_utc,
        until_utc=totals.until_utc,
        scope1_kgco2e=totals.scope1_kgco2e,
        scope2_kgco2e=totals.scope2_kgco2e,
        interval_shares_frac=dict(totals.interval_shares_frac),
        budget=None if totals.budget is None else _budget(totals.budget),
        **intensities,
    )


def _budget(state: CarbonBudgetState) -> CarbonBudgetPart:
    return CarbonBudgetPart(
        since_utc=state.since_utc,
        emitted_kgco2e=state.kgco2e,
        accrued_kgco2e=state.accrued_kgco2e,
        period_kgco2e=state.period_kgco2e,
    )


def _watchdog(pulse: PulseStatus) -> WatchdogPart:
    return WatchdogPart(
        withheld=pulse.withheld,
        n_withheld=pulse.n_withheld,
        tick_age_s=pulse.tick_age_s,
        loop_lag_s=pulse.loop_lag_s,
        n_attempts=pulse.n_attempts,
        overdue_links=pulse.overdue_links,
    )


def _process(footprint: FootprintStatus) -> ProcessPart:
    return ProcessPart(
        resident_mib=footprint.resident_mib,
        n_files=footprint.n_files,
        n_threads=footprint.n_threads,
        n_tasks=footprint.n_tasks,
        queues={
            queue.name: QueuePart(n_waiting=queue.n_waiting, length=queue.length, n_dropped=queue.n_dropped)
            for queue in footprint.queues
        },
        disk=DiskPart(
            free_frac=footprint.disk.free_frac,
            low=footprint.disk.low,
            ballast=footprint.disk.ballast,
            trouble=footprint.disk.trouble,
            set_aside=footprint.disk.set_aside,
        ),
        over=footprint.over,
    )


def _publisher(statistics: PublisherStatistics) -> PublisherPart:
    return PublisherPart(
        n_connects=statistics.n_connects,
        n_sent=statistics.n_sent,
        n_unchanged=statistics.n_unchanged,
        n_events_dropped=statistics.n_events_dropped,
        n_waiting=statistics.n_waiting,
        n_records_waiting=statistics.n_records_waiting,
        n_records_dropped=statistics.n_records_dropped,
    )


def _historian(statistics: HistorianStatistics) -> HistorianPart:
    sink = statistics.sink
    return HistorianPart(
        n_rows=statistics.n_rows,
        n_dropped=statistics.n_dropped,
        n_errors=statistics.n_errors,
        n_waiting=statistics.n_waiting,
        n_sealed=statistics.n_sealed,
        trouble=statistics.trouble,
        set_aside=statistics.set_aside,
        sink=None if sink is None else SinkPart(behind_s=sink.behind_s, trouble=sink.trouble),
    )
