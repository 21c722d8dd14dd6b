"""The shape of a register-map file: tables, keys and the range of each, as pydantic models.

Only the form is checked here; what spans several keys is in `maplint`, the meaning in `layout`.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.device.alarms import Severity
from drivers.device.maptables import DeviceTable, Direction, FallbackTable, MapTable, Name, Number, Range
from drivers.modbus.coding import ByteOrder, PointType, TextEncoding, WordOrder
from drivers.modbus.keyschema import (
    ActionTable,
    Code,
    HoldingAt,
    ReturnsTable,
    SequenceTable,
    WriteFunction,
    WriteTable,
)
from drivers.modbus.layout import Gaps

At = Annotated[str, Field(pattern=r"^(holding|input|coil|discrete):\d{1,5}$")]
RegisterAt = Annotated[str, Field(pattern=r"^(holding|input):\d{1,5}$")]
RegisterSpan = Annotated[str, Field(pattern=r"^(holding|input|coil|discrete):\d{1,5}(\.\.\d{1,5})?$")]
WritableAt = Annotated[str, Field(pattern=r"^(holding|coil):\d{1,5}$")]
_OF_WATCHDOGS: Final = frozenset({PointType.UINT16, PointType.INT16, PointType.UINT32, PointType.INT32})
# beside the two for registers, those for one coil and for several
AnyWriteFunction = Literal[5, 6, 15, 16]
# enumerations reach us as text, which pydantic's strict mode would refuse
AnyPointType = Annotated[PointType, Field(strict=False)]
AnyWordOrder = Annotated[WordOrder, Field(strict=False)]
AnyByteOrder = Annotated[ByteOrder, Field(strict=False)]
AnyEncoding = Annotated[TextEncoding, Field(strict=False)]


class RegisterDeviceTable(DeviceTable):
    """[device]."""

    unidentified: Annotated[str, Field(min_length=10, max_length=400)] | None = Field(
        None, description="Why there is no `[identity]`, needed where commands are: an exchange is not noticed then."
    )


class EndpointTable(MapTable):
    """[endpoint]."""

    max_registers: Annotated[int, Field(ge=4, le=125)] = Field(description="Most registers in one request, 4 to 125.")
    max_bits: Annotated[int, Field(ge=1, le=2000)] = Field(
        2000, description="Most coils or discrete inputs in one request, 1 to 2000."
    )
    word_order: AnyWordOrder = Field(
        description="`big`: the register with the high word comes first; `little`: the one with the low word."
    )
    byte_order: AnyByteOrder = Field(
        ByteOrder.BIG, description="`big`: the high byte of a register comes first; `little`: the low one (rare)."
    )
    never_read: list[RegisterSpan] = Field(
        default_factory=list,
        description="Registers that no request may touch, as `holding:120` or `holding:120..129`.",
    )
    write_fc: WriteFunction = Field(16, description="Function code of writes: 6 (one register) or 16.")


class IdentityTable(MapTable):
    """[identity.manufacturer], [identity.model], [identity.serial], [identity.firmware]."""

    at: RegisterAt = Field(description="`holding:N` or `input:N`, N being the address in the frame.")
    length: Annotated[int, Field(ge=1, le=64)] = Field(description="Number of registers.")
    type: Literal["string", "number"] = Field(
        "string", description="`number`: an unsigned number of one, two or four registers, shown in decimals."
    )
    expect: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="What the text must be, as a text or a regular expression for all of it."
    )
    encoding: AnyEncoding = Field(
        TextEncoding.ASCII, description="`ascii`: two characters a register; `utf16`: one character a register."
    )

    @model_validator(mode="after")
    def _has_the_length_of_a_number(self) -> Self:
        if self.type == "number" and self.length not in {1, 2, 4}:
            raise ValueError("a number has one, two or four registers")
        return self


class BlockTable(MapTable):
    """[[blocks]]: registers that are polled together; each needs `speed` or `every_s`."""

    at: At = Field(description="First register, `holding:N` or `input:N`, or first bit, `coil:N` or `discrete:N`.")
    count: Annotated[int, Field(ge=1, le=2000)] = Field(description="Number of registers or bits.")
    speed: Literal["fast", "slow"] | None = Field(None, description="`fast` or `slow`: one of the device's periods.")
    every_s: Annotated[float, Field(ge=1.0, le=86400.0)] | None = Field(
        None, description="Poll period of its own, in s, for what is needed seldom; never shorter than the slow one."
    )
    gaps: Annotated[Gaps, Field(strict=False)] = Field(
        Gaps.READ,
        description="`read`: the device answers all registers of the block; `never`: only those of its points.",
    )

    @model_validator(mode="after")
    def _has_one_period(self) -> Self:
        if (self.speed is None) == (self.every_s is None):
            raise ValueError("a block has either speed or every_s")
        return self


class PointTable(MapTable):
    """[points.<field of the reading>]."""

    at: At = Field(description="First register, `holding:N` or `input:N`, or bit, `coil:N` or `discrete:N`.")
    type: AnyPointType = Field(description="One of " + ", ".join(PointType) + ".")
    word_order: AnyWordOrder | None = Field(None, description="`big` or `little`, if it differs from the endpoint's.")
    byte_order: AnyByteOrder | None = Field(None, description="`big` or `little`, if it differs from the endpoint's.")
    scale: Number = Field(1, description="value = (raw x 10^factor x scale + offset) x sign.")
    offset: Number = Field(0, description="value = (raw x 10^factor x scale + offset) x sign.")
    sign: Direction = Field("into_bus", description="`into_bus`: positive means into the site bus; else `out_of_bus`.")
    scale_register: RegisterAt | None = Field(
        None, description="Register (int16) with the factor, a power of ten; read in the same request as the value."
    )
    invalid: list[Number] = Field(default_factory=list, description="Raw codes that mean `not available`.")
    valid: Range | None = Field(None, description="[lowest, highest] value that can be true.")
    enum: dict[Code, str] | None = Field(None, description="Name of each code; `true` and `false` for a flag.")
    bits: dict[Code, str] | None = Field(
        None, description="Name of each bit, 0 being the lowest: the value is the list of names that are set."
    )
    bit: Annotated[int, Field(ge=0, le=63)] | None = Field(None, description="Bit of a `bit`, 0 being the lowest.")
    width: Annotated[int, Field(ge=1, le=32)] | None = Field(
        None, description="The value is this many bits of the register, from `bit` upwards."
    )
    length: Annotated[int, Field(ge=1, le=125)] | None = Field(None, description="Number of registers of a `string`.")
    encoding: AnyEncoding = Field(
        TextEncoding.ASCII, description="`ascii`: two characters a register; `utf16`: one character a register."
    )
    optional: bool = Field(False, description="`not available` is no fault of the device.")
    stale_after_s: Annotated[float, Field(gt=0.0, le=3600.0)] | None = Field(
        None, description="The device's own life counter: unchanged for this long, its values are frozen."
    )
    max_step_per_s: Annotated[float, Field(gt=0.0)] | None = Field(
        None,
        description="The fastest true change, in units of the value per second: a single faster sample is refused.",
    )
    fills: Name | None = Field(
        None, description="The field of the reading, if it is not the point's name; bit fields may share a list."
    )

    @model_validator(mode="after")
    def _has_a_length_if_it_is_a_text(self) -> Self:
        if (self.type is PointType.STRING) != (self.length is not None):
            raise ValueError("length is the number of registers of a string")
        return self


class RacksTable(MapTable):
    """[racks]: a container's racks, whose registers repeat."""

    count: Annotated[int, Field(ge=1, le=64)] = Field(description="Number of racks.")
    stride: Annotated[int, Field(ge=1, le=16384)] = Field(description="Registers from one rack to the next.")


class RackPointTable(PointTable):
    """[rack_points.<field of a rack>]: where the first rack has it."""

    stride: Annotated[int, Field(ge=1, le=16384)] | None = Field(
        None,
        description="Registers from one rack to the next, if it differs; then [[blocks]] has them all.",
    )
    bit_stride: Annotated[int, Field(ge=1, le=16)] | None = Field(
        None,
        description="Bits from one rack to the next, for a flag of every rack in one register, or in as many as these "
        "fill; then [[blocks]] has them all.",
    )

    @model_validator(mode="after")
    def _steps_by_bits_only_if_it_is_a_flag(self) -> Self:
        if self.bit_stride is not None and (self.type is not PointType.BIT or self.bit is None or self.stride):
            raise ValueError("bit_stride belongs to a flag with a bit, and goes without stride")
        return self


class CommandTable(MapTable):
    """[commands.<name>]."""

    at: WritableAt = Field(description="First register, `holding:N`, or `coil:N`.")
    type: AnyPointType = Field(description="uint16, int16, uint32, int32, float32; `bit` for a coil.")
    word_order: AnyWordOrder | None = Field(None, description="`big` or `little`, if it differs from the endpoint's.")
    byte_order: AnyByteOrder | None = Field(None, description="`big` or `little`, if it differs from the endpoint's.")
    scale: Number = Field(1, description="value = (raw x 10^factor x scale + offset) x sign.")
    offset: Number = Field(0, description="value = (raw x 10^factor x scale + offset) x sign.")
    sign: Direction = Field("into_bus", description="`into_bus`: positive means into the site bus; else `out_of_bus`.")
    scale_register: RegisterAt | None = Field(
        None, description="Register (int16) with the factor, in a fast block: values are encoded with the newest one."
    )
    write_fc: AnyWriteFunction | None = Field(
        None, description="6 or 16, if it differs from the endpoint's; for a coil 5 (if left out) or 15."
    )
    limits: Range | None = Field(
        None, description="[lowest, highest] value that may be written; required except for a coil."
    )
    ramp_frac_per_s: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        None, description="How fast the device itself follows a power setpoint, share of rating per s."
    )
    volatile: bool = Field(
        description="true: kept in RAM. false: every write wears the register out, `writes_per_day` is its budget."
    )
    writes_per_day: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="Most writes in 24 h to a register that is not volatile."
    )
    hold_s: Annotated[float, Field(ge=0.0, le=86_400.0)] = Field(
        0.0,
        description="Least time between two changes of a supply temperature, for machines with a least run time; s.",
    )
    readback: Name = Field(description="The point that shows the value that the device has taken.")

    @model_validator(mode="after")
    def _has_a_budget_unless_volatile(self) -> Self:
        _check_budget(volatile=self.volatile, writes_per_day=self.writes_per_day)
        return self


def _check_budget(*, volatile: bool, writes_per_day: int | None) -> None:
    if not volatile and writes_per_day is None:
        raise ValueError("every write wears a register with volatile = false out: it needs writes_per_day")
    if volatile and writes_per_day is not None:
        raise ValueError("writes_per_day belongs to a register with volatile = false, and to no other")


class AlarmTable(MapTable):
    """[[alarms]]: alarms by name, four to a register as GenComm packs them, or as texts in a list of records."""

    at: RegisterAt = Field(description="First register, `holding:N` or `input:N`.")
    names: list[Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*)?$", max_length=40)]] = Field(
        default_factory=list, description="Alarms in their order, four to a register, the highest bits first; or texts."
    )
    codes: dict[Code, Annotated[Severity, Field(strict=False)]] = Field(
        default_factory=dict, description="Severity by code of four bits: `warning`, `shutdown`, `trip`; others: none."
    )
    records: Annotated[int, Field(ge=1, le=32)] | None = Field(None, description="Number of records with a text each.")
    record_length: Annotated[int, Field(ge=1, le=64)] | None = Field(None, description="Registers of a record.")
    prefixes: dict[str, Annotated[Severity, Field(strict=False)]] = Field(
        default_factory=dict, description="Severity by the first word of a text; any other is a warning."
    )

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        packed = bool(self.names) and bool(self.codes)
        texts = self.records is not None and self.record_length is not None
        if packed == texts:
            raise ValueError("alarms have either names and codes, or records, record_length and prefixes")
        return self


class HeartbeatTable(MapTable):
    """[heartbeat]: a register that counts up while we command."""

    at: HoldingAt = Field(description="Register, `holding:N`, of 16 bits.")
    volatile: Literal[True] = Field(description="true: kept in RAM; no other memory bears a write per second.")
    write_fc: WriteFunction | None = Field(None, description="6 or 16, if it differs from the endpoint's.")


class WatchdogTable(MapTable):
    """[watchdog]: the silence after which the device falls back; written only where it differs."""

    at: HoldingAt = Field(description="First register, `holding:N`.")
    type: AnyPointType = Field(PointType.UINT16, description="uint16, int16, uint32 or int32.")
    scale: Number = Field(1, description="Seconds per count.")
    volatile: bool = Field(description="Whether it is kept in RAM; it is written only where it differs.")
    writes_per_day: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="Most writes in 24 h to a register that is not volatile."
    )
    write_fc: WriteFunction | None = Field(None, description="6 or 16, if it differs from the endpoint's.")

    @model_validator(mode="after")
    def _has_a_budget_unless_volatile(self) -> Self:
        _check_budget(volatile=self.volatile, writes_per_day=self.writes_per_day)
        return self

    @field_validator("type")
    @classmethod
    def _counts_whole_units(cls, type_: PointType) -> PointType:
        if type_ not in _OF_WATCHDOGS:
            raise ValueError(f"the watchdog time is a whole number of counts, no {type_}")
        return type_


class MapFile(MapTable):
    """One register map."""

    device: RegisterDeviceTable = Field(description="What the map describes.")
    endpoint: EndpointTable = Field(description="Properties of the device's Modbus server.")
    identity: dict[Literal["manufacturer", "model", "serial", "firmware"], IdentityTable] = Field(
        default_factory=dict, description="Texts that name the device."
    )
    blocks: list[BlockTable] = Field(min_length=1, description="What is polled.")
    points: dict[Name, PointTable] = Field(default_factory=dict, description="What is read.")
    commands: dict[Name, CommandTable] = Field(default_factory=dict, description="What is written.")
    racks: RacksTable | None = Field(None, description="How often the registers of a rack are repeated.")
    rack_blocks: list[BlockTable] = Field(
        default_factory=list, description="What is polled of each rack; addresses are those of the first."
    )
    rack_points: dict[Name, RackPointTable] = Field(
        default_factory=dict, description="What is read of each rack; addresses are those of the first."
    )
    alarms: list[AlarmTable] = Field(default_factory=list, description="Alarms by name.")
    unlock: WriteTable | None = Field(None, description="Written before every action, for a password level.")
    returns: ReturnsTable | None = Field(None, description="Where the result of an action is shown.")
    actions: dict[Name, ActionTable] = Field(default_factory=dict, description="Control keys.")
    sequences: dict[Name, SequenceTable] = Field(default_factory=dict, description="Commands made of control keys.")
    heartbeat: HeartbeatTable | None = Field(None, description="Heartbeat of the controller.")
    watchdog: WatchdogTable | None = Field(None, description="Time of the device's own watchdog.")
    fallback: FallbackTable | None = Field(None, description="Behaviour on loss of the controller.")
