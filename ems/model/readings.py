"""What a device answered: typed values with the time of the answer; unknown is None, with a reason.

A driver produces these; it has decoded, scaled and range-checked every value. Staleness is judged by the
reader (`ems.runtime.image`), not here. Energy counters are integer Wh and only ever rise.

`warnings` and `faults` are the names of a device's alarms that are active, None where it does not tell: a warning
asks to be looked at, a fault has taken a function of the device away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

NO_FAULTS: Mapping[str, str] = MappingProxyType({})


def no_faults() -> Mapping[str, str]:
    """Return the empty table of reasons that every good reading shares."""
    return NO_FAULTS


class GensetPhase(StrEnum):
    """Where an engine is, as its own controller reports it."""

    STOPPED = "stopped"
    STARTING = "starting"
    WARMING_UP = "warming_up"
    SYNCHRONISING = "synchronising"
    RUNNING = "running"
    COOLING_DOWN = "cooling_down"
    FAULT = "fault"


class EngineState(StrEnum):
    """What a genset's controller says of it, in the terms of the field; finer than `GensetPhase`.

    `running` turns with an open breaker, `on_load` has it closed. A set that `failed_to_start` or is `locked_out`
    waits for a reset at the device; an `unavailable` one is switched off or under local control.
    """

    STOPPED = "stopped"
    PRE_START = "pre_start"
    CRANKING = "cranking"
    WARMING_UP = "warming_up"
    RUNNING = "running"
    ON_LOAD = "on_load"
    UNLOADING = "unloading"
    COOLING_DOWN = "cooling_down"
    FAILED_TO_START = "failed_to_start"
    LOCKED_OUT = "locked_out"
    UNAVAILABLE = "unavailable"


class ControlMode(StrEnum):
    """Which mode the selector of a genset's controller is in."""

    OFF = "off"
    AUTO = "auto"
    MANUAL = "manual"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class PcsReading:
    """A power conversion system at its AC terminals; power > 0 discharges.

    `max_charge_kw` and `max_discharge_kw` are what the PCS itself allows now, None where it says nothing; some say it
    in A of their DC side instead, at `dc_voltage_v`. Here and below `rated_kw` is the device's own nameplate, None
    where it names none.
    """

    device_id: str
    at_s: float
    power_kw: float | None
    setpoint_kw: float | None
    forming: bool | None
    ready: bool | None
    remote: bool | None
    fallback_armed: bool | None
    frequency_hz: float | None
    discharge_wh: int | None
    charge_wh: int | None
    max_charge_kw: float | None = None
    max_discharge_kw: float | None = None
    dc_voltage_v: float | None = None
    max_charge_a: float | None = None
    max_discharge_a: float | None = None
    warnings: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    rated_kw: float | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class RackReading:
    """One rack of a container; `number` counts from 1, current > 0 discharges.

    `in_service` is None where the device does not say; `alarms` are the names of those that are active. The limits
    are those of the rack at its own terminals. `bad` has the reasons for what is unknown.
    """

    number: int
    in_service: bool | None = None
    soc_pct: float | None = None
    soh_pct: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    cell_max_v: float | None = None
    cell_min_v: float | None = None
    cell_max_degc: float | None = None
    cell_min_degc: float | None = None
    max_charge_a: float | None = None
    max_discharge_a: float | None = None
    insulation_kohm: float | None = None
    alarms: tuple[str, ...] | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class BmsReading:
    """A battery container as its battery management system sees it.

    `racks` is None where the device does not tell of its racks; then there is no spread of their SoC either.
    """

    device_id: str
    at_s: float
    soc_pct: float | None
    soh_pct: float | None
    max_charge_kw: float | None
    max_discharge_kw: float | None
    cell_max_degc: float | None
    cell_min_degc: float | None
    cell_max_v: float | None
    cell_min_v: float | None
    alarm: bool | None
    rack_soc_min_pct: float | None = None
    rack_soc_max_pct: float | None = None
    racks: tuple[RackReading, ...] | None = None
    warnings: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class GensetReading:
    """A genset controller.

    The fields with a default are those that not every controller gives. `warnings`, `shutdowns` and `trips` are the
    names of the alarms that are active: a shutdown stops the engine at once, an electrical trip opens the breaker
    and lets it cool down.
    """

    device_id: str
    at_s: float
    phase: GensetPhase | None
    power_kw: float | None
    setpoint_kw: float | None
    breaker_closed: bool | None
    remote: bool | None
    energy_wh: int | None
    fuel_used_l: float | None
    run_h: float | None
    n_starts: int | None
    fallback_armed: bool | None = None
    engine_state: EngineState | None = None
    mode: ControlMode | None = None
    warnings: tuple[str, ...] | None = None
    shutdowns: tuple[str, ...] | None = None
    trips: tuple[str, ...] | None = None
    load_pct: float | None = None
    engine_rpm: float | None = None
    frequency_hz: float | None = None
    oil_kpa: float | None = None
    coolant_degc: float | None = None
    fuel_pct: float | None = None
    battery_v: float | None = None
    rated_kw: float | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class PvReading:
    """A PV block's controller; `available_kw` is what it could deliver without a limit."""

    device_id: str
    at_s: float
    power_kw: float | None
    available_kw: float | None
    limit_kw: float | None
    energy_wh: int | None
    remote: bool | None = None
    fallback_armed: bool | None = None
    warnings: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    rated_kw: float | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class PccReading:
    """The meter and breaker at the point of common coupling; power > 0 imports.

    Total harmonic distortion is that of the worst phase, in % of the fundamental; it and the unbalance of the voltages
    are given by meters of power quality only. What follows them is given by sync-check devices only: the frequency of
    the grid, the bus ahead of it by `angle_deg` (-180 to 180), the group of protection settings that is ready for an
    island, and what the device has of our permit to close and of our request to open.

    `e_stop`, `fire` and `earth_fault` are inputs of the site's safety chain that are wired to the device, None where it
    has none or does not tell.
    """

    device_id: str
    at_s: float
    power_kw: float | None
    breaker_closed: bool | None
    grid_voltage_frac: float | None
    bus_voltage_frac: float | None
    frequency_hz: float | None
    import_wh: int | None
    export_wh: int | None
    voltage_thd_pct: float | None = None
    current_thd_pct: float | None = None
    voltage_unbalance_pct: float | None = None
    grid_frequency_hz: float | None = None
    angle_deg: float | None = None
    island_group: int | None = None
    permitted: bool | None = None
    open_requested: bool | None = None
    remote: bool | None = None
    fallback_armed: bool | None = None
    e_stop: bool | None = None
    fire: bool | None = None
    earth_fault: bool | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReading:
    """A feeder meter; `load_max_kw` is the highest value since the last poll window, from its registers.

    The power quality and the inputs of the safety chain are those of `PccReading`.
    """

    device_id: str
    at_s: float
    load_kw: float | None
    load_max_kw: float | None
    energy_wh: int | None
    voltage_thd_pct: float | None = None
    current_thd_pct: float | None = None
    voltage_unbalance_pct: float | None = None
    e_stop: bool | None = None
    fire: bool | None = None
    earth_fault: bool | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolingReading:
    """The cooling plant's controller with its weather sensor."""

    device_id: str
    at_s: float
    ambient_degc: float | None
    supply_degc: float | None
    return_degc: float | None
    capacity_kw_th: float | None
    warnings: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class CduReading:
    """A coolant distribution unit: the racks' coolant on one side, facility water on the other.

    `supply_degc` to `flow_m3_per_h` and the differential pressure are those of the racks' loop. `heat_kw_th` is what it
    takes from that loop. The fields with a default are those that not every unit gives. `alarm` is whether any fault
    stands; a leak and a low flow have fields of their own, too.
    """

    device_id: str
    at_s: float
    supply_degc: float | None
    return_degc: float | None
    facility_supply_degc: float | None
    facility_return_degc: float | None
    flow_m3_per_h: float | None
    differential_kpa: float | None
    pump_pct: float | None
    valve_pct: float | None
    leak: bool | None
    heat_kw_th: float | None
    low_flow: bool | None = None
    running: bool | None = None
    alarm: bool | None = None
    warnings: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    setpoint_degc: float | None = None
    dew_point_degc: float | None = None
    facility_flow_m3_per_h: float | None = None
    level_pct: float | None = None
    remote: bool | None = None
    fallback_armed: bool | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChillerReading:
    """A chiller; `supply_degc` is the water that leaves it, `capacity_pct` how much of its capacity it uses.

    `enabled` is whether it may run, `running` whether its compressors do. `load_kw` is the electricity that it draws.
    `alarm` is that of `CduReading`.
    """

    device_id: str
    at_s: float
    running: bool | None
    capacity_pct: float | None
    supply_degc: float | None
    return_degc: float | None
    alarm: bool | None
    enabled: bool | None = None
    warnings: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    low_flow: bool | None = None
    setpoint_degc: float | None = None
    load_kw: float | None = None
    run_h: float | None = None
    n_starts: int | None = None
    remote: bool | None = None
    fallback_armed: bool | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class DryCoolerReading:
    """A dry cooler; `supply_degc` is the water that leaves it, `load_kw` the electricity of its fans.

    `alarm` is that of `CduReading`.
    """

    device_id: str
    at_s: float
    fan_pct: float | None
    ambient_degc: float | None
    supply_degc: float | None
    return_degc: float | None
    load_kw: float | None
    running: bool | None = None
    alarm: bool | None = None
    warnings: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    bad: Mapping[str, str] = field(default_factory=no_faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class TankReading:
    """The fuel tank's level gauge."""

    device_id: str
    at_s: float
    fuel_l: float | None
    bad: Mapping[str, str] = field(default_factory=no_faults)


Reading = (
    PcsReading
    | BmsReading
    | GensetReading
    | PvReading
    | PccReading
    | LoadReading
    | CoolingReading
    | CduReading
    | ChillerReading
    | DryCoolerReading
    | TankReading
)
