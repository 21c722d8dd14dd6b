"""What the files of all kinds of maps have in common: types of keys, and the tables that say what a device is."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from drivers.device.fallback import Arming, FallbackRule, LifeSign
from drivers.device.fields import DeviceClass
from ems.model.capability import Capability

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
# no count, scale or value of a device is beyond this, and arithmetic stays finite
MOST = 1e20
Number = Annotated[int, Field(ge=-(10**20), le=10**20)] | Annotated[float, Field(ge=-MOST, le=MOST)]
Range = Annotated[list[Number], Field(min_length=2, max_length=2)]
Direction = Literal["into_bus", "out_of_bus"]


class MapTable(BaseModel):
    """A table of the file: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DeviceTable(MapTable):
    """[device]."""

    id: Name = Field(description="Name of the map, equal to the file's name.")
    source: Annotated[str, Field(min_length=10, max_length=400)] = Field(
        description="Title, version, date and section of the document that the map was made from."
    )
    device_class: Annotated[DeviceClass, Field(strict=False)] = Field(
        alias="class", description="What the device is: " + ", ".join(DeviceClass) + "."
    )
    capabilities: list[Annotated[Capability, Field(strict=False)]] | None = Field(
        None, description="What the device can be relied on for: " + ", ".join(Capability) + "."
    )

    @field_validator("capabilities")
    @classmethod
    def _names_each_once(cls, capabilities: list[Capability] | None) -> list[Capability] | None:
        for name in capabilities or ():
            if (capabilities or []).count(name) > 1:
                raise ValueError(f"'{name}' is named twice")
        return capabilities

    @property
    def declared(self) -> frozenset[Capability] | None:
        """Return what the map declares, None where it leaves that to its points and commands."""
        return None if self.capabilities is None else frozenset(self.capabilities)


class FallbackTable(MapTable):
    """[fallback]."""

    text: Annotated[str, Field(min_length=10, max_length=400)] = Field(
        description="What the device does when the controller goes silent."
    )
    misses: Annotated[LifeSign, Field(strict=False)] | None = Field(
        None,
        description="What it waits for: `heartbeat` (if there is one), `setpoints` (else), any `requests`, "
        "or `nothing`: it does not notice.",
    )
    armed_by: Annotated[Arming, Field(strict=False)] | None = Field(
        None,
        description="What makes it watch: the watchdog time that we write (`watchdog`, if the map has one), a "
        "`setting` at the device, to be seen at commissioning (else), or its make (`always`). A point `fallback_armed` "
        "shows it.",
    )
    after_s: Annotated[float, Field(gt=0.0, le=3600.0)] | None = Field(
        None, description="Silence in s after which it acts, where that is fixed in the device."
    )


def range_of(limits: list[float] | None) -> tuple[float, float] | None:
    """Return a range as lowest and highest value."""
    return (limits[0], limits[1]) if limits else None


def sign_of(direction: Direction) -> int:
    """Return what a value is multiplied with so that power into the site bus is positive."""
    return 1 if direction == "into_bus" else -1


def fallback_of(table: FallbackTable | None, *, has_heartbeat: bool, has_watchdog: bool) -> FallbackRule | None:
    """Return what a map states about the fall-back; what it leaves out follows from its heartbeat and watchdog time."""
    if table is None:
        return None
    return FallbackRule(
        text=table.text,
        misses=table.misses or (LifeSign.HEARTBEAT if has_heartbeat else LifeSign.SETPOINTS),
        armed_by=table.armed_by or (Arming.WATCHDOG if has_watchdog else Arming.SETTING),
        after_s=table.after_s,
    )
