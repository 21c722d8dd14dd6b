"""What a controller in shadow mode would have saved against what the site did."""

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import Count, Emission, Energy, Hours, Instant, Money, Power, Volume


class ComparedPart(Payload):
    """One side of the comparison since it began."""

    import_kwh: Energy = Field(description="Imported; kWh.")
    export_kwh: Energy = Field(description="Exported; kWh.")
    pv_kwh: Energy = Field(description="PV taken; kWh.")
    genset_kwh: Energy = Field(description="Gensets; kWh.")
    discharge_kwh: Energy = Field(description="Out of storage at its AC terminals; kWh.")
    unserved_kwh: Energy = Field(description="What the sources of the model could not deliver; kWh.")
    fuel_l: Volume = Field(description="Diesel burnt; L.")
    run_h: Hours = Field(description="Run hours of all sets; h.")
    n_starts: Count = Field(description="Starts of all sets.")
    peak_kw: Power = Field(description="Highest mean import of an interval; kW.")
    gained_kwh: Energy = Field(description="What the cells hold more than at the begin; kWh.")
    cost: Money = Field(description="Energy, fuel, starts and wear, stored energy valued; site currency.")
    demand_cost: Money = Field(description="Charge of a whole month at the peak; site currency.")
    emitted_kgco2e: Emission = Field(description="Scope 1 and 2, stored energy at what it avoids; kg CO2e.")


class ComparisonMessage(Message):
    """Shadow mode: saved is `own` less `controller`, both through one model; `own` less `metered` is its error."""

    since_utc: Instant = Field(description="When the comparison began.")
    until_utc: Instant = Field(description="End of the last interval that was compared.")
    n_intervals: Count = Field(description="Intervals that were compared.")
    n_left_out: Count = Field(description="Intervals that were left out because a source was not known.")
    currency: str = Field(description="The site's currency.")
    saved_cost: Money = Field(description="What the controller would have saved, demand apart; site currency.")
    saved_demand_cost: Money = Field(description="... of the demand charge of a month; site currency.")
    saved_kgco2e: Emission = Field(description="... of emissions; kg CO2e.")
    last_import_kwh: Energy = Field(description="Import that it would have saved in the last interval; kWh.")
    last_fuel_l: Volume = Field(description="Diesel that it would have saved in the last interval; L.")
    controller: ComparedPart = Field(description="The controller's commands, followed by the model.")
    own: ComparedPart = Field(description="What the site did, through the same model.")
    metered: ComparedPart = Field(description="What the site did, by its own counters.")
