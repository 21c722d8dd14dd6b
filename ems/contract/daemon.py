"""The daemon about itself: health, and single events."""

from pydantic import Field

from ems.contract.alarms import AlarmsPart
from ems.contract.links import LinksPart
from ems.contract.message import Message, Payload
from ems.contract.quantities import Count, Duration, Figure, Hours, Instant, Power, Share


class PublisherPart(Payload):
    """What the MQTT publisher has done."""

    n_connects: Count = Field(description="Connections to the broker so far.")
    n_sent: Count = Field(description="Messages confirmed by the broker.")
    n_unchanged: Count = Field(description="Retained messages that were not sent because they said nothing new.")
    n_events_dropped: Count = Field(description="Events lost while the broker was away.")
    n_waiting: Count = Field(description="Messages not yet confirmed.")
    n_records_waiting: Count = Field(0, description="Of them records: counters and alarms kept for the broker.")
    n_records_dropped: Count = Field(0, description="Records lost because the broker was away for too long.")


class SinkPart(Payload):
    """The forwarding of the history to PostgreSQL."""

    behind_s: Duration | None = Field(description="Time that has not arrived there yet; null: not known.")
    trouble: str | None = Field(description="Why it does not arrive; null: it does.")


class HistorianPart(Payload):
    """What the historian has done."""

    n_rows: Count = Field(description="Cycles written.")
    n_dropped: Count = Field(description="Cycles lost because the disk was too slow or failed.")
    n_errors: Count = Field(description="Failed attempts to write.")
    n_waiting: Count = Field(description="Cycles not yet written.")
    n_sealed: Count = Field(description="Hours that were packed into blocks, in each of the parts of the points.")
    trouble: str | None = Field(description="What is wrong with the disk or file; null: nothing.")
    set_aside: tuple[str, ...] = Field(
        description="Damaged files, and those of another version, put aside in this run."
    )
    sink: SinkPart | None = Field(description="Its forwarding; null: switched off.")


class WatchdogPart(Payload):
    """What systemd's watchdog is fed by at the end of each control cycle; real seconds."""

    withheld: str | None = Field(description="Why it is not fed now; null: it is.")
    n_withheld: Count = Field(description="Cycles after which it was not fed.")
    tick_age_s: Duration = Field(description="Time between the ends of the last two cycles; s.")
    loop_lag_s: Duration = Field(description="Greatest lateness of the event loop in the last cycle; s.")
    n_attempts: Count = Field(description="Attempts of all connections that have ended: answered, refused, timed out.")
    overdue_links: tuple[str, ...] = Field(description="Connections whose task hangs.")


class QueuePart(Payload):
    """A bounded queue."""

    n_waiting: Count = Field(description="What waits in it.")
    length: Count = Field(description="How much may wait; what is dropped beyond it is in the operations manual.")
    n_dropped: Count = Field(description="What was lost since the start.")


class DiskPart(Payload):
    """The disk of the state directory."""

    free_frac: Share | None = Field(description="Free share; null: not known.")
    low: bool = Field(description="Whether it is below its limit; the history pauses then.")
    ballast: bool = Field(description="Whether the ballast is there.")
    trouble: str | None = Field(description="Why nothing is known; null: it is.")
    set_aside: tuple[str, ...] = Field((), description="Damaged files that were put aside and still lie there.")


class ProcessPart(Payload):
    """What the daemon's process takes of its machine."""

    resident_mib: Count | None = Field(description="Resident memory, MiB; null: the system does not tell.")
    n_files: Count | None = Field(description="Open files and sockets; null: the system does not tell.")
    n_threads: Count = Field(description="Threads.")
    n_tasks: Count = Field(description="Tasks of the event loop.")
    queues: dict[str, QueuePart] = Field(description="Queues by name.")
    disk: DiskPart = Field(description="The disk of the state directory.")
    over: tuple[str, ...] = Field(description="What is beyond its limit in control.toml or persistence.toml.")


class HealthMessage(Message):
    """The daemon's own state since its start; solve times and lateness are real seconds."""

    version: str = Field(description="Version of the software.")
    started_utc: Instant = Field(description="Start of the daemon.")
    pid: Count = Field(description="Process id of the daemon.")
    solver_pid: Count | None = Field(description="Process id of the solver; null: it is not running.")
    n_solver_restarts: Count = Field(description="Restarts of the solver.")
    speed_frac: Share = Field(description="Site seconds per real second; 1 on a real site.")
    stretch_frac: Share = Field(description="Factor by which periods and limits are stretched.")
    n_ticks: Count = Field(description="Control cycles so far.")
    tick_late_s: Duration = Field(description="Greatest lateness of the last cycles; s.")
    n_devices: Count = Field(description="Number of devices.")
    lost_devices: tuple[str, ...] = Field(description="Devices that do not answer.")
    troubles: tuple[str, ...] = Field(description="What went wrong in the last planning cycle.")
    plans_made: Count = Field(description="Plans so far.")
    plans_fallback: Count = Field(description="Plans that are not an optimiser's plan that passed its check.")
    plans_rejected_by_check: Count = Field(description="Plans that failed the independent check.")
    solve_p50_s: Duration = Field(description="Median time of a solve; s.")
    solve_p95_s: Duration = Field(description="Time that 95 % of solves stay below; s.")
    plans_compared: Count = Field(description="Plans that could be compared with the one before.")
    plan_unit_change_h: Hours = Field(
        description="Mean over them: sets that differ in the first 4 h, times the hours for which they do; h."
    )
    plan_change_kw: Power = Field(
        description="Mean over them: absolute change of storage, genset and grid power in the first 4 h; kW."
    )
    alarms: AlarmsPart = Field(description="The list of alarms in numbers; each has a topic of its own.")
    links: LinksPart = Field(description="The connections to the devices.")
    mqtt: PublisherPart | None = Field(description="The publisher; null: not reported.")
    historian: HistorianPart | None = Field(description="The historian; null: switched off.")
    watchdog: WatchdogPart = Field(description="What systemd's watchdog is fed by.")
    process: ProcessPart = Field(description="What the daemon takes of its machine.")
    epoch: Count | None = Field(description="Epoch of the lease that this controller holds; null: a site without one.")
    shadow: bool = Field(description="Whether it only looks on: nothing is written to any device.")
    failing_tasks: dict[str, Count] = Field(
        description="Tasks that fail again and again, with their failures in a row; control goes on without them."
    )


class EventMessage(Message):
    """One decision or state change. Not retained: whoever is away misses it, the log has it."""

    kind: str = Field(description="What it is about: mode, genset, planning, daemon, link, ...")
    text: str = Field(description="One sentence.")
    cause: str | None = Field(description="Reason code; null: none applies.")
    figures: dict[str, Figure] = Field(description="Figures behind it; the end of each name is its unit.")
