"""Field types shared by the files: one per quantity, with its unit and the range that makes sense.

The ranges refuse slips of unit (a fraction where percent is meant, W where kW is meant), not bold designs.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    """A TOML table: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
Text = Annotated[str, Field(max_length=200)]
RelativePath = Annotated[str, Field(min_length=1, max_length=200)]
TimeZoneName = Annotated[str, Field(pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$", max_length=60)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]+$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=1000)]
UnitId = Annotated[int, Field(ge=0, le=255)]

PowerKw = Annotated[float, Field(gt=0.0, le=1_000_000.0)]
PowerOrZeroKw = Annotated[float, Field(ge=0.0, le=1_000_000.0)]
EnergyKwh = Annotated[float, Field(gt=0.0, le=10_000_000.0)]
EnergyOrZeroKwh = Annotated[float, Field(ge=0.0, le=10_000_000.0)]
VolumeL = Annotated[float, Field(gt=0.0, le=100_000_000.0)]
VolumeOrZeroL = Annotated[float, Field(ge=0.0, le=100_000_000.0)]
# percentages are never below 1 where a fraction typed by mistake would be
Pct = Annotated[float, Field(ge=1.0, le=100.0)]
SmallPct = Annotated[float, Field(ge=0.0, le=50.0)]
Frac = Annotated[float, Field(ge=0.0, le=1.0)]
PositiveFrac = Annotated[float, Field(gt=0.0, le=1.0)]
EfficiencyFrac = Annotated[float, Field(ge=0.5, le=1.0)]
TemperatureDegC = Annotated[float, Field(ge=-60.0, le=120.0)]
DifferenceK = Annotated[float, Field(ge=-60.0, le=60.0)]
PositiveK = Annotated[float, Field(gt=0.0, le=60.0)]
DurationS = Annotated[float, Field(gt=0.0, le=604_800.0)]
DurationOrZeroS = Annotated[float, Field(ge=0.0, le=604_800.0)]
DurationMin = Annotated[int, Field(ge=1, le=1_440)]
DurationH = Annotated[float, Field(gt=0.0, le=8_784.0)]
DurationOrZeroH = Annotated[float, Field(ge=0.0, le=8_784.0)]
Price = Annotated[float, Field(ge=-1e7, le=1e7)]
Cost = Annotated[float, Field(ge=0.0, le=1e9)]
Degrees = Annotated[float, Field(ge=-360.0, le=360.0)]
