"""The failure table, F01 to F42: each row with its scenario, as data."""

from functools import partial
from typing import Final

from tests.faults import port_rows, wire_rows
from tests.faults.parts_rows import held_by
from tests.faults.port_site import CAMPUS, DESERT, HALL
from tests.faults.result import Fault, Scenario, Twin

_CLUSTER: Final = "tests/cluster/test_dialogue.py::"
_PLANNER: Final = "tests/runtime/test_planner.py::"
_PERSISTENCE: Final = "tests/runtime/test_persistence.py::"
_STEADY: Final = "tests/runtime/test_steady.py"
_ISLAND: Final = ("island",)
_GRID: Final = ("grid",)
_RUNS: Final = ("island", "grid")


def _row(
    row: str,
    failure: str,
    scenario: Scenario,
    *,
    twin: Twin,
    site: str = DESERT,
    bound_s: float | None = None,
    required: str,
    safe: str,
    states: tuple[str, ...],
) -> Fault:
    return Fault(
        id=row,
        failure=failure,
        site=site,
        twin=twin,
        bound_s=bound_s,
        required=required,
        safe=safe,
        scenario=scenario,
        states=states,
    )


_port: Final = partial(_row, twin=Twin.PORT, states=_ISLAND)
_wire: Final = partial(_row, twin=Twin.WIRE, states=_RUNS)


def _parts(row: str, failure: str, scenario: Scenario, *, required: str, safe: str) -> Fault:
    return Fault(
        id=row,
        failure=failure,
        site="-",
        twin=Twin.PARTS,
        bound_s=None,
        required=required,
        safe=safe,
        scenario=scenario,
    )


TABLE: Final = (
    _wire(
        "F01",
        "one PCS lost",
        wire_rows.one_pcs_lost,
        bound_s=3.0,
        required="excluded, the others take its share",
        safe="the device's watchdog value",
    ),
    _wire(
        "F02",
        "all PCS lost",
        wire_rows.all_pcs_lost,
        bound_s=3.0,
        required="degraded, no set is stopped, droop carries",
        safe="droop",
        states=("degraded",),
    ),
    _wire(
        "F03",
        "slow device",
        wire_rows.device_slow,
        required="the cycles of the others are not late",
        safe="excluded where it is too slow",
    ),
    _wire(
        "F04",
        "good frames, old content",
        wire_rows.device_frozen,
        bound_s=5.0,
        required="as lost",
        safe="excluded",
    ),
    _port(
        "F05",
        "frozen meter at the PCC",
        port_rows.pcc_meter_frozen,
        site=CAMPUS,
        bound_s=10.0,
        required="a derived value takes its place",
        safe="derived value",
        states=_GRID,
    ),
    _parts(
        "F06",
        "wrong sign",
        held_by(
            "tests/runtime/test_plausibility.py::"
            "test_a_converter_that_moves_against_its_setpoints_is_left_alone_and_told",
            "tests/commissioning/test_verify.py",
            told="a unit that moves against its setpoints is left alone; commissioning judges signs by a small step",
        ),
        required="excluded; commissioning is not left",
        safe="not commanded",
    ),
    _wire(
        "F07",
        "late reply to an earlier request",
        wire_rows.answers_late,
        required="discarded, connected anew, never used",
        safe="last valid value until it is too old",
    ),
    _wire(
        "F08",
        "codes for not available",
        wire_rows.values_not_available,
        required="bad, not 0",
        safe="last valid value, then excluded",
    ),
    _parts(
        "F09",
        "solver says infeasible",
        held_by(
            _PLANNER + "test_without_an_incumbent_the_rounded_relaxation_is_followed",
            _PLANNER + "test_a_young_plan_comes_before_the_relaxation_and_a_refused_relaxation_before_the_rules",
            told="the next link of the fallback chain is followed",
        ),
        required="problem kept, told, next link of the chain",
        safe="fallback",
    ),
    _wire(
        "F10",
        "solver hangs",
        wire_rows.solver_stands_still,
        required="killed past its time, last plan or rules meanwhile",
        safe="fallback",
    ),
    _wire(
        "F11",
        "solver crashes",
        wire_rows.solver_crashes,
        required="started again, control unaffected",
        safe="fallback",
    ),
    _parts(
        "F12",
        "absurd plan",
        held_by(
            _PLANNER + "test_a_plan_that_the_check_refuses_is_not_followed",
            "tests/dispatch/test_check.py::test_a_changed_flow_is_refused",
            told="refused by the independent check, not followed",
        ),
        required="refused",
        safe="fallback",
    ),
    _parts(
        "F13",
        "forecast missing, late or garbled",
        held_by(
            _PLANNER + "test_a_missing_weather_forecast_degrades_to_the_typical_year",
            "tests/runtime/test_forecast_memory.py::"
            "test_a_missing_old_or_unreadable_issue_degrades_to_the_typical_year",
            "tests/forecast/test_weather.py::test_issue_that_is_not_plausible_is_refused_with_its_line",
            told="the typical year with its wider quantiles takes its place",
        ),
        required="persistence and climatology, wider quantiles",
        safe="more reserve",
    ),
    _parts(
        "F14",
        "wall clock jumps, summer time",
        held_by(_STEADY, told="control does the same whatever the wall clock does"),
        required="control unaffected, marked",
        safe="-",
    ),
    _wire(
        "F15",
        "broker down",
        wire_rows.broker_down,
        required="control unaffected, bounded queue",
        safe="-",
    ),
    _parts(
        "F16",
        "cluster silent",
        held_by(
            _CLUSTER + "test_a_silent_cluster_offers_nothing_and_its_permits_stay_as_confirmed",
            _CLUSTER + "test_a_cluster_that_speaks_again_is_counted_on_again",
            told="no flexibility is counted, permits stay as confirmed",
        ),
        required="no flexibility, permits frozen",
        safe="-",
    ),
    _parts(
        "F17",
        "disk full",
        held_by(
            "tests/runtime/test_disk.py",
            told="history pauses, the ballast is given up, the state is saved",
        ),
        required="historian off, control goes on, ballast freed",
        safe="-",
    ),
    _wire(
        "F18",
        "state and history files damaged",
        wire_rows.state_files_garbled,
        required="recovered or set aside with an alarm, plant adopted",
        safe="plant adopted",
    ),
    _parts(
        "F19",
        "slow disk",
        held_by(
            "tests/runtime/test_writer.py",
            _PERSISTENCE + "test_a_stalled_disk_drops_the_oldest_and_counts_it",
            told="a thread waits for the disk, control does not",
        ),
        required="the loop never waits for the disk",
        safe="-",
    ),
    _parts(
        "F20",
        "mistake in the configuration",
        held_by(
            "tests/config/test_mutations.py",
            "tests/app/test_reload.py",
            told="refused by file and key; a reload keeps what runs",
        ),
        required="refused with line and reason, old configuration stays",
        safe="old configuration",
    ),
    _parts(
        "F21",
        "valid but dangerous configuration",
        held_by(
            "tests/config/test_contradictions.py",
            "tests/config/test_risks.py",
            "tests/runtime/test_nameplates.py",
            told="dangerous values are refused by line or accepted on record; a device's own nameplate is never passed",
        ),
        required="refused, or accepted with an audit record",
        safe="-",
    ),
    _parts(
        "F22",
        "two controllers",
        held_by(
            "tests/runtime/test_lease.py",
            "tests/wire/test_two_controllers.py::"
            "test_a_daemon_that_was_frozen_writes_nothing_once_another_has_taken_over",
            told="one lease, one that writes",
        ),
        required="the second is passive; a lower epoch stops writing",
        safe="droop without a decision",
    ),
    _parts(
        "F23",
        "bad, repeated or retained orders",
        held_by(
            "tests/commands/test_judge.py",
            "tests/app/test_command_desk.py",
            "tests/cluster/test_answers.py",
            "tests/cluster/test_offers.py",
            told="unsigned, late, repeated, retained and too many commands are refused with their reason and audited",
        ),
        required="refused with reason, at most one a second, audited",
        safe="-",
    ),
    _wire(
        "F24",
        "daemon killed in island",
        wire_rows.daemon_killed,
        bound_s=5.0,
        required="adopts, bump <= 2 % of the load, nothing started or stopped before",
        safe="droop",
    ),
    _wire(
        "F25",
        "daemon hangs",
        wire_rows.daemon_hangs,
        site="edge-node",
        bound_s=12.0,
        required="no ping, killed, started again",
        safe="watchdogs of the devices",
    ),
    _parts(
        "F26",
        "host dies",
        held_by(
            "tests/wire/test_two_controllers.py::"
            "test_a_standby_is_passive_until_the_owner_is_gone_and_the_owner_comes_back_as_standby",
            told="the standby takes the lease after its term",
        ),
        required="the standby takes over after term and settling",
        safe="droop",
    ),
    _port(
        "F27",
        "three sets fail to start",
        port_rows.starts_fail,
        bound_s=2.0,
        required="the next sets start",
        safe="load reduction if none is left",
    ),
    _port(
        "F28",
        "largest set trips under load",
        port_rows.genset_trips,
        bound_s=2.0,
        required="R0 covers, the next set starts",
        safe="-",
    ),
    _port(
        "F29",
        "PCS refuses or is under local control",
        port_rows.pcs_refuses,
        bound_s=10.0,
        required="excluded",
        safe="the others",
    ),
    _port(
        "F30",
        "fall-back of the PCS is not that of an island",
        port_rows.fallback_stops,
        site=CAMPUS,
        required="islanding refused, alarm",
        safe="stays on the grid",
        states=_GRID,
    ),
    _port(
        "F31",
        "fire, lost insulation, hot cells, AC block lost",
        port_rows.battery_lost,
        bound_s=2.0,
        required="to zero and isolated; planned with less",
        safe="0 kW",
    ),
    _port(
        "F32",
        "SoC jumps",
        port_rows.soc_jumps,
        bound_s=2.0,
        required="taken over gradually",
        safe="-",
    ),
    _port(
        "F33",
        "CDU pumps fail",
        port_rows.cdu_fails,
        site=HALL,
        bound_s=2.0,
        required="none with N+1; beyond it the GPU power is capped at once",
        safe="racks off by their own trip",
        states=_RUNS,
    ),
    _port(
        "F34",
        "cooling after a transfer",
        port_rows.cooling_after_transfer,
        site=CAMPUS,
        required="pumps and CDUs stay on the bus of the storage",
        safe="-",
    ),
    _port(
        "F35",
        "60 % of the load goes",
        port_rows.load_drops,
        required="storage takes it, no reverse power",
        safe="-",
    ),
    _port(
        "F36",
        "all jobs start at once",
        port_rows.jobs_start,
        required="reserve carries it",
        safe="-",
    ),
    _port(
        "F37",
        "cloud, PV block or collector lost",
        port_rows.sun_goes,
        required="reserve carries it",
        safe="-",
    ),
    _port(
        "F38",
        "voltage sag",
        port_rows.voltage_sags,
        site=CAMPUS,
        required="rides through: PCC stays closed, nothing is shed",
        safe="-",
        states=_GRID,
    ),
    _port(
        "F39",
        "full import lost, grid flickers",
        port_rows.grid_flickers,
        site=CAMPUS,
        bound_s=2.0,
        required="island; back-off, attempts per hour limited",
        safe="island",
    ),
    _port(
        "F40",
        "wrong group of protection settings",
        port_rows.protection_group_wrong,
        site=CAMPUS,
        required="islanding refused",
        safe="stays on the grid",
        states=_GRID,
    ),
    _wire(
        "F41",
        "leak of memory, files or tasks",
        wire_rows.nothing_grows,
        required="bounded queues, alarm",
        safe="-",
    ),
    _parts(
        "F42",
        "exchanged device or firmware",
        held_by(
            "tests/runtime/test_identities.py",
            "tests/drivers/test_handshake.py",
            told="monitored only until it is confirmed",
        ),
        required="no control, monitored only",
        safe="excluded",
    ),
)
