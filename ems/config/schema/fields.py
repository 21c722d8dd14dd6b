"""Field types shared by the files: one per quantity, with its unit and the range that makes sense.

The ranges refuse slips of unit (a fraction where percent is meant, W where kW is meant), not bold designs.
A type whose form a pattern describes says the same in words, for messages and the reference.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

# the keyword under which a JSON Schema node carries the words of its pattern
WORDS: Final = "x-words"
NAME_WORDS: Final = "a name of at most 40 lower-case letters, digits, - and _"


class Table(BaseModel):
    """A TOML table: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        max_length=40,
        json_schema_extra={WORDS: NAME_WORDS},
    ),
]
Text = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x1f\x7f]+$",
        max_length=200,
        json_schema_extra={WORDS: "a text of 1 to 200 characters on one line"},
    ),
]
ClientId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]+$",
        max_length=60,
        json_schema_extra={WORDS: "at most 60 letters, digits, - and _"},
    ),
]
# no part begins with a dot: a path can neither leave the directory nor point at hidden files
RelativePath = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
        max_length=200,
        json_schema_extra={WORDS: "a path inside the configuration directory, such as data/weather.csv"},
    ),
]
AbsolutePath = Annotated[
    str,
    Field(
        pattern=r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$",
        max_length=400,
        json_schema_extra={WORDS: "an absolute path, such as /mnt/archive/digests.jsonl"},
    ),
]
TimeZoneName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$",
        max_length=60,
        json_schema_extra={WORDS: "an IANA time zone such as Asia/Seoul"},
    ),
]
Currency = Annotated[
    str,
    Field(pattern=r"^[A-Z]{3}$", json_schema_extra={WORDS: "a currency code of three capitals, such as USD"}),
]
Host = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9.:_-]+$",
        max_length=253,
        json_schema_extra={WORDS: "a host name or an IP address"},
    ),
]
# planned within the life of the plant: refuses a slip of the century, and dates that no time zone can shift
Instant = Annotated[
    AwareDatetime,
    Field(
        ge=datetime(2000, 1, 1, tzinfo=UTC),
        lt=datetime(2100, 1, 1, tzinfo=UTC),
        json_schema_extra={WORDS: "a time with offset in the years 2000 to 2099, such as 2026-03-01T09:00:00Z"},
    ),
]
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
PositivePct = Annotated[float, Field(gt=0.0, le=50.0)]
SmallPct = Annotated[float, Field(ge=0.0, le=50.0)]
Frac = Annotated[float, Field(ge=0.0, le=1.0)]
# towards the good or the bad side
SignedFrac = Annotated[float, Field(ge=-1.0, le=1.0)]
PositiveFrac = Annotated[float, Field(gt=0.0, le=1.0)]
EfficiencyFrac = Annotated[float, Field(ge=0.5, le=1.0)]
TemperatureDegC = Annotated[float, Field(ge=-60.0, le=120.0)]
DifferenceK = Annotated[float, Field(ge=-60.0, le=60.0)]
PositiveK = Annotated[float, Field(gt=0.0, le=60.0)]
# of the fast loop, of devices and of engine sequences: refuses milliseconds
ShortS = Annotated[float, Field(gt=0.0, le=600.0)]
ShortOrZeroS = Annotated[float, Field(ge=0.0, le=600.0)]
DurationS = Annotated[float, Field(gt=0.0, le=604_800.0)]
DurationOrZeroS = Annotated[float, Field(ge=0.0, le=604_800.0)]
DurationMin = Annotated[int, Field(ge=1, le=1_440)]
DurationH = Annotated[float, Field(gt=0.0, le=8_784.0)]
DurationOrZeroH = Annotated[float, Field(ge=0.0, le=8_784.0)]
# of a machine's minimum run or rest: refuses minutes typed as hours, and sets that could never be stopped
FewHoursOrZeroH = Annotated[float, Field(ge=0.0, le=48.0)]
HourOfDay = Annotated[float, Field(ge=0.0, le=24.0)]
Price = Annotated[float, Field(ge=-1e7, le=1e7)]
Cost = Annotated[float, Field(ge=0.0, le=1e9)]
Degrees = Annotated[float, Field(ge=-360.0, le=360.0)]
