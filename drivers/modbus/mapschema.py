"""The shape of a register-map file: tables, keys and the range of each, as pydantic models.

Only the form is checked here; what spans several keys is in `maplint`, the meaning in `layout`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from drivers.modbus.layout import DeviceClass, PointType, Speed, WordOrder

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
At = Annotated[str, Field(pattern=r"^(holding|input):\d{1,5}$")]
HoldingAt = Annotated[str, Field(pattern=r"^holding:\d{1,5}$")]
Number = int | float
Range = Annotated[list[Number], Field(min_length=2, max_length=2)]
Code = Annotated[str, Field(pattern=r"^\d{1,5}$")]
WriteFunction = Literal[6, 16]
Sign = Literal["into_bus", "out_of_bus"]
Word = Annotated[int, Field(ge=0, le=0xFFFF)]
Words = Annotated[list[Word], Field(min_length=1, max_length=16)]
Labels = Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]], Field(max_length=20)]
# enumerations reach us as text, which pydantic's strict mode would refuse
AnyPointType = Annotated[PointType, Field(strict=False)]


class MapTable(BaseModel):
    """A table of the file: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class DeviceTable(MapTable):
    """[device]."""

    id: Name = Field(description="Name of the map, equal to the file's name.")
    source: Annotated[str, Field(min_length=10, max_length=400)] = Field(
        description="Title, version, date and section of the document that the registers come from."
    )
    device_class: Annotated[DeviceClass, Field(strict=False)] = Field(
        alias="class", description="What the device is: " + ", ".join(DeviceClass) + "."
    )


class EndpointTable(MapTable):
    """[endpoint]."""

    max_registers: Annotated[int, Field(ge=4, le=125)] = Field(description="Most registers in one request, 4 to 125.")
    word_order: Annotated[WordOrder, Field(strict=False)] = Field(
        description="`big`: the register with the high word comes first; `little`: the one with the low word."
    )
    write_fc: WriteFunction = Field(16, description="Function code of writes: 6 (one register) or 16.")


class IdentityTable(MapTable):
    """[identity.manufacturer], [identity.model], [identity.serial]: two ASCII characters a register."""

    at: At = Field(description="`holding:N` or `input:N`, N being the address in the frame.")
    length: Annotated[int, Field(ge=1, le=64)] = Field(description="Number of registers.")
    expect: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="What the text must be, as a text or a regular expression for all of it."
    )


class BlockTable(MapTable):
    """[[blocks]]: registers that the device answers in one piece."""

    at: At = Field(description="First register, `holding:N` or `input:N`.")
    count: Annotated[int, Field(ge=1, le=2000)] = Field(description="Number of registers.")
    speed: Annotated[Speed, Field(strict=False)] = Field(description="`fast` or `slow`, the device's poll periods.")


class PointTable(MapTable):
    """[points.<field of the reading>]."""

    at: At = Field(description="First register, `holding:N` or `input:N`, N being the address in the frame.")
    type: AnyPointType = Field(description="One of " + ", ".join(PointType) + ".")
    scale: Number = Field(1, description="value = (raw x scale + offset) x sign.")
    offset: Number = Field(0, description="value = (raw x scale + offset) x sign.")
    sign: Sign = Field("into_bus", description="`into_bus`: positive is power into the site bus; else `out_of_bus`.")
    invalid: list[Number] = Field(default_factory=list, description="Raw codes that mean `not available`.")
    valid: Range | None = Field(None, description="[lowest, highest] value that can be true.")
    enum: dict[Code, str] | None = Field(None, description="Name of each code; `true` and `false` for a flag.")
    bit: Annotated[int, Field(ge=0, le=15)] | None = Field(None, description="Bit of a `bit`, 0 being the lowest.")
    optional: bool = Field(False, description="`not available` is no fault of the device.")
    stale_after_s: Annotated[float, Field(gt=0.0, le=3600.0)] | None = Field(
        None, description="The device's own life counter: unchanged for this long, its values are frozen."
    )


class CommandTable(MapTable):
    """[commands.<name>]."""

    at: HoldingAt = Field(description="First register, `holding:N`.")
    type: AnyPointType = Field(description="uint16, int16, uint32, int32 or float32.")
    scale: Number = Field(1, description="value = (raw x scale + offset) x sign.")
    offset: Number = Field(0, description="value = (raw x scale + offset) x sign.")
    sign: Sign = Field("into_bus", description="`into_bus`: positive is power into the site bus; else `out_of_bus`.")
    write_fc: WriteFunction | None = Field(None, description="6 or 16, if it differs from the endpoint's.")
    limits: Range | None = Field(None, description="[lowest, highest] value that may be written.")
    volatile: Literal[True] = Field(
        description="true: kept in RAM. Setpoints are renewed all day, which wears a non-volatile register out."
    )
    readback: Name = Field(description="The point that shows the value that the device has taken.")


class ConditionTable(MapTable):
    """A field of the reading that shows one of some names."""

    field: Name = Field(description="Field of the reading.")
    is_: Labels = Field(alias="is", description="Names that it may show; `true` and `false` for a flag.")


class WaitTable(ConditionTable):
    """A condition that must come true within a time."""

    within_s: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(description="Time after which it has failed; s.")


class NeedsTable(WaitTable):
    """What must hold before a sequence begins."""

    ask: Name | None = Field(None, description="The action that brings it about; left out: the command is refused.")
    ask_from: Labels | None = Field(None, description="The only names from which it may be asked for.")


class WriteTable(MapTable):
    """Registers that are written as they stand."""

    at: HoldingAt = Field(description="First register, `holding:N`.")
    words: Words = Field(description="The registers, 0 to 65535.")
    write_fc: WriteFunction | None = Field(None, description="6 or 16, if it differs from the endpoint's.")


class ReturnsTable(MapTable):
    """[returns]: where the device shows the result of an action."""

    at: HoldingAt = Field(description="First register, `holding:N`.")
    errors: dict[Code, str] = Field(default_factory=dict, description="Meaning of each number that is no success.")


class ActionTable(MapTable):
    """[actions.<name>]: a control key of the device."""

    at: HoldingAt = Field(description="First register, `holding:N`.")
    words: Words | None = Field(None, description="The registers, 0 to 65535; or `key`.")
    key: Word | None = Field(None, description="Written with its one's complement behind it, as GenComm asks for.")
    write_fc: WriteFunction | None = Field(None, description="6 or 16, if it differs from the endpoint's.")
    then: WriteTable | None = Field(None, description="A second write, for a device that takes the command apart.")
    returns: Words | None = Field(None, description="What [returns] shows when the action is done.")
    after: WaitTable | None = Field(None, description="What must be shown before it is sent.")
    unless: ConditionTable | None = Field(None, description="It is left out while this is shown.")


class ShowsTable(MapTable):
    """How the reading shows what a sequence has brought about."""

    field: Name = Field(description="Field of the reading.")
    true: Labels = Field(description="Names that mean true.")
    false: Labels = Field(default_factory=list, description="Names that mean false; others: under way.")


class SequenceTable(MapTable):
    """[sequences.<command>]: a command that is a sequence of actions for true and one for false."""

    true: Annotated[list[Name], Field(min_length=1)] = Field(description="Actions for true, in their order.")
    false: list[Name] = Field(default_factory=list, description="Actions for false, in their order.")
    once: list[bool] = Field(
        default_factory=list,
        description="Values that are sent once: not again until the command changes or a failure is reset.",
    )
    shows: ShowsTable = Field(description="The field of the reading that proves it.")
    settle_s: Annotated[float, Field(gt=0.0, le=3600.0)] = Field(
        description="Time after the last action within which `shows` must show the value; s."
    )
    needs: NeedsTable | None = Field(None, description="What must be shown before the first action.")
    latched: ConditionTable | None = Field(None, description="A failure that the device keeps until it is reset.")
    volatile: Literal[True] = Field(description="true: the registers are kept in RAM.")


class HeartbeatTable(MapTable):
    """[heartbeat]: a register that counts up while we command."""

    at: HoldingAt = Field(description="Register, `holding:N`, of 16 bits.")
    write_fc: WriteFunction | None = Field(None, description="6 or 16, if it differs from the endpoint's.")


class WatchdogTable(MapTable):
    """[watchdog]: the silence after which the device falls back; written only where it differs."""

    at: HoldingAt = Field(description="First register, `holding:N`.")
    type: AnyPointType = Field(PointType.UINT16, description="uint16, int16, uint32 or int32.")
    scale: Number = Field(1, description="Seconds per count.")
    write_fc: WriteFunction | None = Field(None, description="6 or 16, if it differs from the endpoint's.")


class FallbackTable(MapTable):
    """[fallback]."""

    text: Annotated[str, Field(min_length=10, max_length=400)] = Field(
        description="What the device does when the controller goes silent."
    )


class MapFile(MapTable):
    """One register map."""

    device: DeviceTable = Field(description="What the map describes.")
    endpoint: EndpointTable = Field(description="Properties of the device's Modbus server.")
    identity: dict[Literal["manufacturer", "model", "serial"], IdentityTable] = Field(
        default_factory=dict, description="Texts that name the device."
    )
    blocks: list[BlockTable] = Field(min_length=1, description="What is polled.")
    points: dict[Name, PointTable] = Field(min_length=1, description="What is read.")
    commands: dict[Name, CommandTable] = Field(default_factory=dict, description="What is written.")
    unlock: WriteTable | None = Field(None, description="Written before every action, for a password level.")
    returns: ReturnsTable | None = Field(None, description="Where the result of an action is shown.")
    actions: dict[Name, ActionTable] = Field(default_factory=dict, description="Control keys.")
    sequences: dict[Name, SequenceTable] = Field(default_factory=dict, description="Commands made of control keys.")
    heartbeat: HeartbeatTable | None = Field(None, description="Heartbeat of the controller.")
    watchdog: WatchdogTable | None = Field(None, description="Time of the device's own watchdog.")
    fallback: FallbackTable | None = Field(None, description="Behaviour on loss of the controller.")
