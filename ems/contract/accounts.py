"""Energy and emissions so far."""

from pydantic import Field

from ems.contract.message import Message, Payload
from ems.contract.quantities import Emission, Energy, Instant, Intensity, Money, Share, Volume


class EnergyMessage(Message):
    """Metered energy since the ledger began; every number only rises, cost aside."""

    since_utc: Instant = Field(description="When the ledger began.")
    until_utc: Instant = Field(description="End of the last closed interval.")
    pv_kwh: Energy = Field(description="PV taken; kWh.")
    genset_kwh: Energy = Field(description="Gensets; kWh.")
    import_kwh: Energy = Field(description="Imported; kWh.")
    export_kwh: Energy = Field(description="Exported; kWh.")
    charge_kwh: Energy = Field(description="Into storage at its AC terminals; kWh.")
    discharge_kwh: Energy = Field(description="Out of storage at its AC terminals; kWh.")
    it_kwh: Energy = Field(description="Delivered to IT; kWh.")
    cooling_kwh: Energy = Field(description="Delivered to cooling; kWh.")
    aux_kwh: Energy = Field(description="Delivered to auxiliaries; kWh.")
    delivered_kwh: Energy = Field(description="Delivered to all loads; kWh.")
    fuel_l: Volume = Field(description="Diesel burnt; L.")
    cost: Money = Field(description="Fuel and imported energy, at their prices; site currency.")
    currency: str = Field(description="The site's currency.")


class CarbonBudgetPart(Payload):
    """What was emitted in the running period of the budget, and what had accrued by the end of the last interval."""

    since_utc: Instant = Field(description="When counting began: with the period, or with the ledger.")
    emitted_kgco2e: Emission = Field(description="Scope 1 and 2 since then; kg CO2e.")
    accrued_kgco2e: Emission = Field(description="Allowance of the same time; kg CO2e.")
    period_kgco2e: Emission = Field(description="Allowance of the whole period; kg CO2e.")


class CarbonMessage(Message):
    """Emissions since the ledger began, and where the energy of the last closed interval came from."""

    since_utc: Instant = Field(description="When the ledger began.")
    until_utc: Instant = Field(description="End of the last closed interval.")
    scope1_kgco2e: Emission = Field(description="Burnt fuel; kg CO2e.")
    scope2_kgco2e: Emission = Field(description="Imported electricity, location-based; kg CO2e.")
    ci_operational_gco2e_per_kwh: Intensity | None = Field(
        description="Scope 1 and 2 over what the loads received; g CO2e per kWh."
    )
    interval_gco2e_per_kwh: Intensity | None = Field(
        description="Intensity of what the loads received in the last closed interval; g CO2e per kWh."
    )
    interval_shares_frac: dict[str, Share] = Field(
        description="Share of each source in what the loads received in that interval, storage traced through."
    )
    budget: CarbonBudgetPart | None = Field(
        description="The running period of the carbon budget; null: the site has none, or nothing is counted yet."
    )
