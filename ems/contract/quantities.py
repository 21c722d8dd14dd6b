"""Types of the numbers in payloads: finite, and rounded to what the quantity's meters can mean.

Rounding keeps messages short and equal while nothing happens; none of these numbers is calculated with again.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, PlainSerializer, WithJsonSchema


def _rounded(digits: int) -> AfterValidator:
    def shorten(value: float) -> float:
        # the sum turns -0.0 into 0.0
        return round(value, digits) + 0.0

    return AfterValidator(shorten)


def rfc3339_ms(instant: datetime) -> str:
    """Return an instant as RFC 3339 text in UTC with milliseconds, such as 2026-07-03T10:00:00.000Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _to_ms(instant: datetime) -> datetime:
    utc = instant.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _only_text_or_instant(value: object) -> object:
    if not isinstance(value, str | datetime):
        raise ValueError("an instant is RFC 3339 text")  # noqa: TRY004 - pydantic turns ValueErrors into refusals
    return value


_INSTANT_SCHEMA: Final = {"type": "string", "format": "date-time", "pattern": r"^.*\.[0-9]{3}Z$"}
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_only_text_or_instant),
    AfterValidator(_to_ms),
    PlainSerializer(rfc3339_ms, return_type=str, when_used="json"),
    WithJsonSchema(_INSTANT_SCHEMA),
]

Power = Annotated[float, _rounded(3)]
Energy = Annotated[float, _rounded(3)]
Percentage = Annotated[float, _rounded(3)]
Share = Annotated[float, _rounded(6)]
Temperature = Annotated[float, _rounded(2)]
Duration = Annotated[float, _rounded(3)]
Hours = Annotated[float, _rounded(6)]
Minutes = Annotated[float, _rounded(3)]
Volume = Annotated[float, _rounded(3)]
FuelRate = Annotated[float, _rounded(3)]
Money = Annotated[float, _rounded(4)]
Price = Annotated[float, _rounded(6)]
Emission = Annotated[float, _rounded(3)]
Intensity = Annotated[float, _rounded(6)]
Angle = Annotated[float, _rounded(2)]
Frequency = Annotated[float, _rounded(4)]
Flow = Annotated[float, _rounded(3)]
Voltage = Annotated[float, _rounded(4)]
Current = Annotated[float, _rounded(2)]
Resistance = Annotated[float, _rounded(1)]
Pressure = Annotated[float, _rounded(2)]
Speed = Annotated[float, _rounded(1)]
Figure = Annotated[float, _rounded(6)]
Count = Annotated[int, Field(ge=0)]
