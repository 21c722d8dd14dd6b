"""What every message has: version, time, and a word on each value that is missing or old."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ems.contract.quantities import Duration, Instant

# the head of a payload up to the time stamp, which differs even where nothing has changed
_HEAD: Final = re.compile(rb'^\{"v":\d+,"ts":"[^"]*"')

Quality = Annotated[str, Field(pattern=r"^(stale|bad|unknown|absent)(: .+)?$")]


class Payload(BaseModel):
    """A message or a part of one: unknown fields, NaN and infinity are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        serialize_by_alias=True,
        validate_by_name=True,
        # whatever has a default is published too
        json_schema_serialization_defaults_required=True,
    )


class Message(Payload):
    """The head of every message."""

    v: Literal[1] = Field(1, description="Version of the message's form.")
    ts: Instant = Field(description="When the values were true: RFC 3339, UTC, milliseconds.")
    quality: dict[str, Quality] = Field(
        default_factory=dict,
        description=(
            "Why a value is null, by its name (an entry of a table: `table.entry`): "
            "`stale` (older than its limit), `bad` (refused as implausible), "
            "`unknown` (never read, or not to be had), `absent` (the site or the device has no such value); "
            "after a colon the details."
        ),
    )
    age_s: dict[str, Duration] = Field(
        default_factory=dict, description="Age of each value that is older than two periods, by its name; s."
    )

    @model_validator(mode="after")
    def _names_are_fields(self) -> Self:
        names = set(type(self).model_fields)
        for name in self.age_s:
            if name not in names:
                raise ValueError(f"'{name}' is no value of this message")
        for name in self.quality:
            field, _, entry = name.partition(".")
            value = getattr(self, field) if field in names else None
            if field not in names or (entry and not (isinstance(value, dict) and entry in value)):
                raise ValueError(f"'{name}' is no value of this message")
            if (value[entry] if entry and isinstance(value, dict) else value) is not None:
                raise ValueError(f"'{name}' has a value, so its quality must not be named")
        return self

    def payload(self) -> bytes:
        """Return the message as JSON."""
        return self.model_dump_json().encode()


def content(payload: bytes) -> bytes:
    """Return a payload without its time stamp: what must differ for the message to say something new."""
    return _HEAD.sub(b"", payload, count=1)
