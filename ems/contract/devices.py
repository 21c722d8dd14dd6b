"""What each device measures and what it is commanded. A null is always named in `quality` with its reason."""

from pydantic import Field

from ems.contract.message import Message
from ems.contract.quantities import (
    Angle,
    Count,
    Current,
    Flow,
    Frequency,
    Hours,
    Instant,
    Percentage,
    Power,
    Pressure,
    Share,
    Speed,
    Temperature,
    Voltage,
    Volume,
)
from ems.contract.site import HandName, ReasonPart
from ems.model.readings import ControlMode, EngineState, GensetPhase
from ems.model.setpoints import Outcome


class DeviceMessage(Message):
    """The head of every device message; `ts` is the time of the newest answer, of the message where there is none."""

    device: str = Field(description="Name of the device in the configuration.")
    asset: str = Field(description="Asset that it serves.")
    trouble: str | None = Field(description="Why no newer reading arrives; null: reading works.")


class PcsMessage(DeviceMessage):
    """A power conversion system at its AC terminals."""

    power_kw: Power | None = Field(description="kW, positive: discharging.")
    setpoint_kw: Power | None = Field(description="Setpoint as the device reports it; kW, positive: discharging.")
    forming: bool | None = Field(description="Whether it forms the grid.")
    ready: bool | None = Field(description="Whether it is ready to operate.")
    remote: bool | None = Field(description="Whether it takes commands.")
    fallback_armed: bool | None = Field(description="Whether its fall-back for a silent controller is armed.")
    frequency_hz: Frequency | None = Field(description="Hz.")
    discharge_wh: int | None = Field(description="Counter of energy out; Wh.")
    charge_wh: int | None = Field(description="Counter of energy in; Wh.")
    max_charge_kw: Power | None = Field(description="What it allows itself to charge now; kW, never negative.")
    max_discharge_kw: Power | None = Field(description="What it allows itself to discharge now; kW, never negative.")
    dc_voltage_v: Voltage | None = Field(description="Voltage of its DC side; V.")
    max_charge_a: Current | None = Field(description="What its DC side may take now; A, never negative.")
    max_discharge_a: Current | None = Field(description="What its DC side may give now; A, never negative.")
    warnings: tuple[str, ...] | None = Field(description="Names of the warnings that are active.")
    faults: tuple[str, ...] | None = Field(description="Names of the active alarms that cost it a function.")


class BmsMessage(DeviceMessage):
    """A battery container as its battery management system sees it."""

    soc_pct: Percentage | None = Field(description="State of charge; % of the present full capacity.")
    soh_pct: Percentage | None = Field(description="Present full capacity over rated capacity; %.")
    max_charge_kw: Power | None = Field(description="What it may charge now; kW, never negative.")
    max_discharge_kw: Power | None = Field(description="What it may discharge now; kW, never negative.")
    cell_max_degc: Temperature | None = Field(description="Warmest cell; °C.")
    cell_min_degc: Temperature | None = Field(description="Coldest cell; °C.")
    cell_max_v: Voltage | None = Field(description="Highest cell voltage; V.")
    cell_min_v: Voltage | None = Field(description="Lowest cell voltage; V.")
    alarm: bool | None = Field(description="Whether it reports an alarm.")
    rack_soc_min_pct: Percentage | None = Field(description="State of charge of its emptiest rack; %.")
    rack_soc_max_pct: Percentage | None = Field(description="State of charge of its fullest rack; %.")
    warnings: tuple[str, ...] | None = Field(description="Names of the warnings that are active.")
    faults: tuple[str, ...] | None = Field(description="Names of the active alarms that cost it a function.")


class GensetMessage(DeviceMessage):
    """A genset controller."""

    phase: GensetPhase | None = Field(description="Where the engine is.")
    power_kw: Power | None = Field(description="kW.")
    setpoint_kw: Power | None = Field(description="Setpoint as the controller reports it; kW.")
    breaker_closed: bool | None = Field(description="Whether its breaker is closed.")
    remote: bool | None = Field(description="Whether it takes commands.")
    energy_wh: int | None = Field(description="Counter of energy; Wh.")
    fuel_used_l: Volume | None = Field(description="Counter of fuel; L.")
    run_h: Hours | None = Field(description="Run hours; h.")
    n_starts: Count | None = Field(description="Starts.")
    engine_state: EngineState | None = Field(
        description="What its controller says of it: running turns with an open breaker, on_load has it closed."
    )
    mode: ControlMode | None = Field(description="Mode of its controller.")
    warnings: tuple[str, ...] | None = Field(description="Names of the warnings that are active.")
    shutdowns: tuple[str, ...] | None = Field(description="Names of the active alarms that stop the engine at once.")
    trips: tuple[str, ...] | None = Field(description="Names of the active alarms that take it off the bus to cool.")
    load_pct: Percentage | None = Field(description="Load as the controller reports it; % of its rating.")
    engine_rpm: Speed | None = Field(description="Speed of the engine; revolutions per minute.")
    frequency_hz: Frequency | None = Field(description="Hz.")
    oil_kpa: Pressure | None = Field(description="Oil pressure; kPa.")
    coolant_degc: Temperature | None = Field(description="Coolant of the engine; °C.")
    fuel_pct: Percentage | None = Field(description="Level of its own tank; %.")
    battery_v: Voltage | None = Field(description="Starter battery; V.")
    fallback_armed: bool | None = Field(description="Whether its fall-back for a silent controller is armed.")


class PvMessage(DeviceMessage):
    """A PV block."""

    power_kw: Power | None = Field(description="kW.")
    available_kw: Power | None = Field(description="What it could deliver without a limit; kW.")
    limit_kw: Power | None = Field(description="Limit as the device reports it; kW.")
    energy_wh: int | None = Field(description="Counter of energy; Wh.")
    remote: bool | None = Field(description="Whether it takes commands.")
    fallback_armed: bool | None = Field(description="Whether its fall-back for a silent controller is armed.")
    warnings: tuple[str, ...] | None = Field(description="Names of the warnings that are active.")
    faults: tuple[str, ...] | None = Field(description="Names of the active alarms that cost it a function.")


class PccMessage(DeviceMessage):
    """The meter and breaker at the point of common coupling."""

    power_kw: Power | None = Field(description="kW, positive: import.")
    breaker_closed: bool | None = Field(description="Whether the breaker is closed.")
    grid_voltage_frac: Share | None = Field(description="Voltage on the grid's side over nominal.")
    bus_voltage_frac: Share | None = Field(description="Voltage of the bus over nominal.")
    frequency_hz: Frequency | None = Field(description="Hz.")
    import_wh: int | None = Field(description="Counter of import; Wh.")
    export_wh: int | None = Field(description="Counter of export; Wh.")
    voltage_thd_pct: Percentage | None = Field(description="Harmonics of the voltage, worst phase; % of fundamental.")
    current_thd_pct: Percentage | None = Field(description="Harmonics of the current, worst phase; % of fundamental.")
    voltage_unbalance_pct: Percentage | None = Field(description="Unbalance of the voltages; %.")
    grid_frequency_hz: Frequency | None = Field(description="Frequency on the grid's side; Hz.")
    angle_deg: Angle | None = Field(description="Bus ahead of the grid; degrees, -180 to 180.")
    island_group: int | None = Field(description="Group of protection settings that is ready for an island.")
    permitted: bool | None = Field(description="Whether the sync-check device has a permit to close.")
    open_requested: bool | None = Field(description="Whether it has a request to open.")
    remote: bool | None = Field(description="Whether it takes commands.")
    fallback_armed: bool | None = Field(description="Whether it forgets permit and request when we go silent.")
    e_stop: bool | None = Field(description="Whether its input for the site's emergency stop stands.")
    fire: bool | None = Field(description="Whether its input for fire or gas stands.")
    earth_fault: bool | None = Field(description="Whether its input for an earth fault stands.")


class LoadMessage(DeviceMessage):
    """A feeder meter."""

    load_kw: Power | None = Field(description="kW, never negative.")
    load_max_kw: Power | None = Field(description="Highest value since the last poll window; kW.")
    energy_wh: int | None = Field(description="Counter of energy; Wh.")
    voltage_thd_pct: Percentage | None = Field(description="Harmonics of the voltage, worst phase; % of fundamental.")
    current_thd_pct: Percentage | None = Field(description="Harmonics of the current, worst phase; % of fundamental.")
    voltage_unbalance_pct: Percentage | None = Field(description="Unbalance of the voltages; %.")
    e_stop: bool | None = Field(description="Whether its input for the site's emergency stop stands.")
    fire: bool | None = Field(description="Whether its input for fire or gas stands.")
    earth_fault: bool | None = Field(description="Whether its input for an earth fault stands.")


class CoolingMessage(DeviceMessage):
    """The cooling plant's controller with its weather sensor."""

    ambient_degc: Temperature | None = Field(description="Outdoor temperature; °C.")
    supply_degc: Temperature | None = Field(description="Coolant to the racks; °C.")
    return_degc: Temperature | None = Field(description="Coolant from the racks; °C.")
    capacity_kw_th: Power | None = Field(description="Heat that the plant can take now; kW thermal.")
    warnings: tuple[str, ...] | None = Field(description="Names of the warnings that are active.")
    faults: tuple[str, ...] | None = Field(description="Names of the active alarms that cost it a function.")


class CduMessage(DeviceMessage):
    """A coolant distribution unit."""

    supply_degc: Temperature | None = Field(description="Coolant to the racks; °C.")
    return_degc: Temperature | None = Field(description="Coolant from the racks; °C.")
    facility_supply_degc: Temperature | None = Field(description="Facility water to the unit; °C.")
    facility_return_degc: Temperature | None = Field(description="Facility water from the unit; °C.")
    flow_m3_per_h: Flow | None = Field(description="Flow of coolant; m³/h.")
    facility_flow_m3_per_h: Flow | None = Field(description="Flow of facility water; m³/h.")
    differential_kpa: Pressure | None = Field(description="Differential pressure of the racks' loop; kPa.")
    pump_pct: Percentage | None = Field(description="Speed of the pumps; %.")
    valve_pct: Percentage | None = Field(description="Position of the valve of the facility water; %.")
    level_pct: Percentage | None = Field(description="Level of the coolant reservoir; %.")
    heat_kw_th: Power | None = Field(description="Heat that it takes from the racks' loop; kW thermal.")
    setpoint_degc: Temperature | None = Field(description="Setpoint of the supply temperature in force; °C.")
    dew_point_degc: Temperature | None = Field(description="Dew point of the room; °C.")
    running: bool | None = Field(description="Whether it runs.")
    leak: bool | None = Field(description="Whether it has found a leak.")
    low_flow: bool | None = Field(description="Whether its flow is too low.")
    alarm: bool | None = Field(description="Whether any fault stands.")
    warnings: tuple[str, ...] | None = Field(description="Names of the warnings that are active.")
    faults: tuple[str, ...] | None = Field(description="Names of the active alarms that cost it a function.")
    remote: bool | None = Field(description="Whether it takes commands.")
    fallback_armed: bool | None = Field(description="Whether its fall-back for a silent controller is armed.")


class ChillerMessage(DeviceMessage):
    """A chiller."""

    enabled: bool | None = Field(description="Whether it may run.")
    running: bool | None = Field(description="Whether its compressors run.")
    capacity_pct: Percentage | None = Field(description="How much of its capacity it uses; %.")
    supply_degc: Temperature | None = Field(description="Water that leaves it; °C.")
    return_degc: Temperature | None = Field(description="Water that comes back; °C.")
    setpoint_degc: Temperature | None = Field(description="Setpoint of the supply temperature in force; °C.")
    load_kw: Power | None = Field(description="Electricity that it draws; kW, never negative.")
    low_flow: bool | None = Field(description="Whether its flow is too low.")
    alarm: bool | None = Field(description="Whether any fault stands.")
    warnings: tuple[str, ...] | None = Field(description="Names of the warnings that are active.")
    faults: tuple[str, ...] | None = Field(description="Names of the active alarms that cost it a function.")
    run_h: Hours | None = Field(description="Run hours; h.")
    n_starts: Count | None = Field(description="Starts.")
    remote: bool | None = Field(description="Whether it takes commands.")
    fallback_armed: bool | None = Field(description="Whether its fall-back for a silent controller is armed.")


class DryCoolerMessage(DeviceMessage):
    """A dry cooler."""

    running: bool | None = Field(description="Whether it runs.")
    fan_pct: Percentage | None = Field(description="Speed of the fans; %.")
    ambient_degc: Temperature | None = Field(description="Air that it takes in; °C.")
    supply_degc: Temperature | None = Field(description="Water that leaves it; °C.")
    return_degc: Temperature | None = Field(description="Water that comes back; °C.")
    load_kw: Power | None = Field(description="Electricity of its fans; kW, never negative.")
    alarm: bool | None = Field(description="Whether any fault stands.")
    warnings: tuple[str, ...] | None = Field(description="Names of the warnings that are active.")
    faults: tuple[str, ...] | None = Field(description="Names of the active alarms that cost it a function.")


class TankMessage(DeviceMessage):
    """The fuel tank's gauge."""

    fuel_l: Volume | None = Field(description="Diesel in the tank; L.")


class SetpointMessage(Message):
    """What a device is commanded, why, and what became of the newest command.

    Of `power_kw`, `run`, `limit_kw` and `supply_degc` those have a value that this kind of device takes; all are null
    while nothing is commanded.
    """

    device: str = Field(description="Name of the device in the configuration.")
    asset: str = Field(description="Asset that it serves.")
    power_kw: Power | None = Field(description="Power into the bus; kW. Counts for a genset only while it runs.")
    run: bool | None = Field(description="Whether a genset shall run.")
    limit_kw: Power | None = Field(description="Limit of a PV block; kW.")
    supply_degc: Temperature | None = Field(description="Supply temperature of a cooling unit; °C.")
    reasons: tuple[ReasonPart, ...] = Field(description="Why.")
    outcome: Outcome | None = Field(
        description=(
            "accepted (read back), refused (by the device), failed (differs), lost (no answer); "
            "null: no answer yet to the newest value."
        )
    )
    detail: str = Field(description="What the device or the driver said about it; may be empty.")
    written_kw: Power | None = Field(
        description=(
            "Power or limit that the driver wrote: what is asked for, or what nameplate, map and device allow; kW. "
            "null: none is known to have been written of the newest value."
        ),
    )
    excluded: str | None = Field(
        description="Why control goes on without the device: it misses setpoints or takes none; null: it does not."
    )
    mode: HandName = Field(description="Who moves it: the controller, or people by `ems mode`.")
    mode_until: Instant | None = Field(description="When it is in AUTO again at the latest; null: it is in AUTO.")
