"""The form of control keys in a register map: actions, sequences, and what must hold around them."""

from typing import Annotated, Literal

from pydantic import Field

from drivers.device.maptables import MapTable, Name

HoldingAt = Annotated[str, Field(pattern=r"^holding:\d{1,5}$")]
Code = Annotated[str, Field(pattern=r"^\d{1,5}$")]
WriteFunction = Literal[6, 16]
Word = Annotated[int, Field(ge=0, le=0xFFFF)]
Words = Annotated[list[Word], Field(min_length=1, max_length=16)]
Labels = Annotated[list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]], Field(max_length=20)]


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
