"""report.toml: emission factors with source, amortised emissions, contracts, the installation; read by reports only."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from ems.config.schema.fields import Cost, Frac, Name, PowerKw, Table, Text

_Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2200, 12, 31))]
_Meter = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max_length=60),
]


class FactorTable(Table):
    """One emission factor. Reports list every factor that they use, and name what they lack."""

    id: Name = Field(description="Under which reports list it.")
    use: Literal["diesel_scope1", "diesel_wtt", "grid_location", "grid_residual", "grid_contract", "grid_upstream"] = (
        Field(
            description=(
                "What it is multiplied with: litres burnt (`diesel_...`) or kWh imported (`grid_...`). `wtt` and "
                "`upstream` are Scope 3, category 3; `residual` and `contract` serve the market-based method."
            )
        )
    )
    amount_kgco2e: Annotated[float, Field(ge=0.0, le=10.0)] = Field(description="Per litre, or per kWh.")
    boundary: Literal["combustion", "lifecycle"] = Field(
        description="What it takes in. A report refuses to mix both in one scope."
    )
    region: Text = Field(description="Where it holds.")
    year: Annotated[int, Field(ge=1990, le=2200)] = Field(description="Of the data.")
    source: Text = Field(description="Document, table and edition.")
    valid_from: _Day = Field(description="First day on which reports use it.")
    valid_to: _Day = Field(description="Last day.")


class EmbodiedTable(Table):
    """Emissions of making a plant, shown beside the operational ones and never inside them."""

    id: Name = Field(description="What it is, such as pv or storage.")
    kgco2e: Annotated[float, Field(ge=0.0, le=1e12)] = Field(description="Of the whole plant.")
    years: Annotated[float, Field(gt=0.0, le=100.0)] = Field(description="Years of use over which it is spread.")
    source: Text = Field(description="Document, or how it was worked out.")


class ContractTable(Table):
    """An instrument of the market-based method."""

    instrument: Text = Field(description="Power purchase agreement, certificates, with number.")
    matched_frac: Frac = Field(description="Share of the import that it covers.")


class BaselineTable(Table):
    """What a report counts savings against; without it no saving is shown."""

    description: Text = Field(description="What it is, such as grid supply with air cooling.")
    cost_per_kwh: Cost = Field(description="Electricity cost per kWh that reaches the IT load.")
    gco2e_per_kwh: Annotated[float, Field(ge=0.0, le=5000.0)] = Field(description="Per kWh that reaches the IT load.")
    cooling_share_frac: Frac | None = Field(None, description="Share of cooling in all electricity.")
    source: Text = Field(description="Where the figures come from.")


class MeterTable(Table):
    """A metering point of the ledger, as evidence names it."""

    id: _Meter = Field(description="The asset's name, or pcc, it, cooling, aux.")
    accuracy_class: Text = Field(description="Such as 0.5 S (IEC 62053-22).")
    calibrated: _Day | None = Field(None, description="Date of the last calibration.")


class GeneratorTable(Table):
    """A generator as evidence names it."""

    id: Name = Field(description="The plant's or set's name.")
    technology: Text = Field(description="Such as solar photovoltaic, or diesel reciprocating engine.")
    capacity_kw: PowerKw = Field(description="Rated electrical output.")
    commissioned: _Day | None = Field(None, description="Date of commissioning.")


class InstallationTable(Table):
    """Who and where; what is left out is named as missing in the evidence."""

    operator: Text | None = Field(None, description="Legal name of the operator.")
    address: Text | None = Field(None, description="Street and number, place.")
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(None, description="ISO 3166-1 alpha-2.")
    unlocode: Annotated[str, Field(pattern=r"^[A-Z]{2}[A-Z2-9]{3}$")] | None = Field(None, description="UN/LOCODE.")
    connection: Literal["direct_line", "private_grid", "public_grid_ppa", "public_grid"] | None = Field(
        None, description="How the consumer is connected to the generation."
    )


class ReportFile(Table):
    """The whole file; every table may be left out."""

    pue_category: Annotated[int, Field(ge=1, le=3)] | None = Field(
        None,
        description="Where IT energy is metered (ISO/IEC 30134-2): 1 UPS output, 2 PDU output, 3 IT equipment.",
    )
    installation: InstallationTable = Field(InstallationTable(), description="Missing: the evidence names no owner.")
    baseline: BaselineTable | None = Field(None, description="Missing: no saving is shown.")
    contract: ContractTable | None = Field(None, description="Missing: no import is matched.")
    factor: list[FactorTable] = Field([], description="None: the factors in the ledger's records stand alone.")
    embodied: list[EmbodiedTable] = Field([], description="None: the plant's making is not determined.")
    meter: list[MeterTable] = Field([], description="None: the evidence names no metering points.")
    generator: list[GeneratorTable] = Field([], description="None: the evidence names no generators.")
