"""Every kind of alarm: what it means, why it comes, what happens if nobody acts, what to do.

docs/alarms.md is made of it.

Delays are in seconds of the site's time. Priorities follow the time that people have: critical within minutes and for
the safety of people or all load, high within the hour, medium within the day, low at the next visit.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ems.control.alarms.catalogue_plant import PLANT
from ems.model.annunciation import AlarmDefinition, AlarmGroup, Priority

_CONTROLLER: Final = (
    AlarmDefinition(
        kind="watchdog",
        priority=Priority.HIGH,
        group=AlarmGroup.CONTROLLER,
        told_as="daemon",
        means="the daemon is alive and does not do what it should, so that systemd's watchdog is not fed",
        cause="an overloaded machine, a connection that hangs, a fault of the software",
        consequence="after 5 s systemd restarts the daemon; the devices hold themselves meanwhile",
        action="look at the machine's load and at the text; report it if it comes back",
    ),
    AlarmDefinition(
        kind="task_failing",
        priority=Priority.MEDIUM,
        group=AlarmGroup.CONTROLLER,
        told_as="daemon",
        means="a part of the daemon fails again and again",
        cause="a fault of the software, or an outside condition that it does not expect",
        consequence="control goes on without what that part did; it is tried every half minute",
        action="find `task_failed` of that task in the log and report it",
    ),
    AlarmDefinition(
        kind="process",
        priority=Priority.MEDIUM,
        group=AlarmGroup.CONTROLLER,
        told_as="daemon",
        means="memory, open files, tasks or a queue of the daemon are above their limit",
        cause="a disk or broker that does not answer, or a leak",
        consequence="a queue drops what `health` counts; memory without bound would end in a restart",
        action="see `process` in `health`; restart the daemon at a quiet time",
    ),
    AlarmDefinition(
        kind="disk_low",
        priority=Priority.HIGH,
        group=AlarmGroup.CONTROLLER,
        told_as="daemon",
        means="the disk of the state directory is nearly full",
        cause="logs, history or other programs",
        consequence="the history pauses; state and ledger go on in the room of the ballast",
        action="make room; with twice the limit free the history goes on",
    ),
    AlarmDefinition(
        kind="clock_step",
        priority=Priority.MEDIUM,
        group=AlarmGroup.CONTROLLER,
        told_as="daemon",
        needs_acknowledgement=False,
        means="the machine's clock was set",
        cause="time synchronisation after a pause, or a hand at the clock",
        consequence="control is not affected; the open ledger record is flagged",
        action="look at time synchronisation",
    ),
    AlarmDefinition(
        kind="books_failing",
        priority=Priority.HIGH,
        group=AlarmGroup.CONTROLLER,
        off_delay_s=60.0,
        means="counters, ledger or statistics cannot take the cycles",
        cause="a fault of the software, or a saved state that does not fit",
        consequence="control goes on; energy and emissions of this time are counted from meters later, or are missing",
        action="find `accounting_failed` in the log and report it",
    ),
    AlarmDefinition(
        kind="state_not_saved",
        priority=Priority.HIGH,
        group=AlarmGroup.CONTROLLER,
        off_delay_s=120.0,
        means="the disk refuses the controller's state",
        cause="a full, failing or read-only disk",
        consequence="a restart would begin from the plant's measurements and an older memory",
        action="see `state_not_saved` in the log; check the disk",
    ),
    AlarmDefinition(
        kind="file_damaged",
        priority=Priority.HIGH,
        group=AlarmGroup.CONTROLLER,
        means="a file of the state directory could not be read and lies there under another name",
        cause="a power cut, a failing disk, a hand",
        consequence="a new one was begun and the plant adopted; where it is `state.damaged-*`, minimum times of sets, "
        "the billed peak and what forecasts have learnt begin anew",
        action="look at the disk; restore from the backup if the accounts matter; take the file away: that ends it",
    ),
    AlarmDefinition(
        kind="risk",
        priority=Priority.MEDIUM,
        group=AlarmGroup.CONTROLLER,
        means="the daemon runs with a dangerous value of the configuration that was accepted (`--accept-risk`)",
        cause="see the text; who accepted it is in `accepted-risks.jsonl`",
        consequence="a margin that safety rests on is missing",
        action="choose a safe value and reload",
    ),
    AlarmDefinition(
        kind="history_failing",
        priority=Priority.MEDIUM,
        group=AlarmGroup.CONTROLLER,
        on_delay_s=10.0,
        off_delay_s=10.0,
        means="the history cannot be written",
        cause="a full or failing disk, or a lock of another program",
        consequence="rows wait in memory, then the oldest are lost; control is not affected",
        action="check the disk; see `historian_failed` in the log",
    ),
    AlarmDefinition(
        kind="mqtt_lost",
        priority=Priority.MEDIUM,
        group=AlarmGroup.CONTROLLER,
        on_delay_s=60.0,
        needs_acknowledgement=False,
        means="the broker is away",
        cause="broker or network is down, or it refuses the user or certificate",
        consequence="SCADA and pages see nothing; control is not affected; counters and alarms are kept and sent later",
        action="check the broker; see `mqtt_lost` in the log",
    ),
)
_PLANNING: Final = (
    AlarmDefinition(
        kind="plan_missing",
        priority=Priority.HIGH,
        group=AlarmGroup.PLANNING,
        on_delay_s=300.0,
        means="there is no plan that control may follow",
        cause="inputs of the forecast are missing, the solver does not work, or every plan was refused",
        consequence="control goes on by its rules, which cost more fuel and keep less in stock for announced outages",
        action="see `troubles` in `health`",
    ),
    AlarmDefinition(
        kind="plan_by_rules",
        priority=Priority.LOW,
        group=AlarmGroup.PLANNING,
        on_delay_s=900.0,
        needs_acknowledgement=False,
        means="plans have come from the fallback chain for a quarter of an hour",
        cause="the solver runs out of time or memory, or its plans are refused",
        consequence="the site is safe and dearer",
        action="see `troubles` in `health`; replay a file of `problems/` with `ems plan`",
    ),
    AlarmDefinition(
        kind="planning_trouble",
        priority=Priority.LOW,
        group=AlarmGroup.PLANNING,
        told_as="planning",
        needs_acknowledgement=False,
        means="the newest planning cycle had to do without something",
        cause="a missing or old forecast, a solver that was late, a measurement that no site can have",
        consequence="the plan is more careful, or comes from the fallback chain",
        action="find the text under Trouble messages of the operations manual",
    ),
)
_OTHER: Final = AlarmDefinition(
    kind="other",
    priority=Priority.HIGH,
    group=AlarmGroup.CONTROLLER,
    means="control finds something wrong that has no definition of its own",
    cause="see the text",
    consequence="see the text",
    action="see the text, and report that the definition is missing",
)
_ALL: Final = (*PLANT, *_PLANNING, *_CONTROLLER, _OTHER)

CATALOGUE: Final[Mapping[str, AlarmDefinition]] = MappingProxyType({each.kind: each for each in _ALL})


def definition_of(kind: str) -> AlarmDefinition:
    """Return what is known of a kind of alarm; one that nobody has defined is not lost for that."""
    return CATALOGUE.get(kind, _OTHER)
