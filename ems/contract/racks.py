"""What the racks of a container measure, one message for all of them."""

from pydantic import Field

from ems.contract.devices import DeviceMessage
from ems.contract.message import Payload, Quality
from ems.contract.quantities import Count, Current, Percentage, Resistance, Temperature, Voltage


class RackPart(Payload):
    """One rack. A null is named in the rack's own `quality` with its reason."""

    number: Count = Field(description="Number of the rack in its container, from 1.")
    in_service: bool | None = Field(description="Whether it is connected; null: the device does not say.")
    soc_pct: Percentage | None = Field(description="State of charge; %.")
    soh_pct: Percentage | None = Field(description="Present full capacity over rated capacity; %.")
    voltage_v: Voltage | None = Field(description="Voltage at its terminals; V.")
    current_a: Current | None = Field(description="Current; A, positive: discharging.")
    cell_max_v: Voltage | None = Field(description="Highest cell voltage; V.")
    cell_min_v: Voltage | None = Field(description="Lowest cell voltage; V.")
    cell_max_degc: Temperature | None = Field(description="Warmest cell; °C.")
    cell_min_degc: Temperature | None = Field(description="Coldest cell; °C.")
    max_charge_a: Current | None = Field(description="What it may be charged with now; A, never negative.")
    max_discharge_a: Current | None = Field(description="What it may be discharged with now; A, never negative.")
    insulation_kohm: Resistance | None = Field(description="Resistance of its insulation, the lower one of two; kOhm.")
    alarms: tuple[str, ...] | None = Field(description="Names of its active alarms.")
    quality: dict[str, Quality] = Field(description="Why a value of this rack is null, by its name.")


class RacksMessage(DeviceMessage):
    """The racks of a container, in their order."""

    soc_spread_pct: Percentage | None = Field(
        description="State of charge of the fullest rack in service less that of the emptiest; %."
    )
    racks: tuple[RackPart, ...] | None = Field(description="Its racks.")
