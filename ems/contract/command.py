"""Commands to the daemon (`cmd/<name>`), its answers (`ack/<id>`), and what is in force (`commands`)."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, StrictBool

from ems.contract.message import Message, Payload
from ems.contract.quantities import Count, Instant

# what a person or a script writes: far below the broker's limits
MAX_COMMAND_BYTES: Final = 8192
# a command that has not arrived by then is dead
MAX_LIFE_S: Final = 900.0
SITE_TARGET: Final = "site"


class CommandName(StrEnum):
    """The commands; each is a topic of its own, so that a broker's access list can tell them apart."""

    LIMITS = "limits"
    MAINTENANCE = "maintenance"
    GENSET_TEST = "genset_test"
    PLAN = "plan"
    ALARM = "alarm"
    MODE = "mode"
    ISLAND = "island"
    STAY_ISLAND = "stay_island"
    BLACK_START = "black_start"
    E_STOP = "e_stop"
    LEAVE_E_STOP = "leave_e_stop"
    WITHDRAW = "withdraw"


class Role(StrEnum):
    """What the holder of a key may do; each may do what the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"

    @property
    def rank(self) -> int:
        """Return its place: a greater one may do more."""
        return tuple(Role).index(self)


class Answer(StrEnum):
    """What became of a command."""

    ACCEPTED = "accepted"
    CLIPPED = "clipped"
    REJECTED = "rejected"


WholeKw = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
WholePct = Annotated[int, Field(strict=True, ge=0, le=100)]
SignedKw = Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)]
WholeDegc = Annotated[int, Field(strict=True, ge=-20, le=60)]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Target = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,95}$")]
CommandId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{7,63}$")]
CommandSeq = Annotated[int, Field(strict=True, ge=1, le=2**53 - 1)]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Signature = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class LimitsPart(Payload):
    """Limits on the target, whole numbers; a limit that is left out, or null, is not touched."""

    import_kw: WholeKw | None = Field(None, description="Site: most import; kW; null: as configured.")
    export_kw: WholeKw | None = Field(None, description="Site: most export; kW; null: as configured.")
    soc_floor_pct: WholePct | None = Field(
        None, description="Site: SoC that steady operation keeps, all storage together; %; null: the reserve's."
    )
    charge_kw: WholeKw | None = Field(None, description="AC block or pool: most charging; kW; null: as configured.")
    discharge_kw: WholeKw | None = Field(
        None, description="AC block or pool: most discharging; kW; null: as configured."
    )
    genset_ban: Literal[True] | None = Field(
        None, description="Site, class or set: no start but in an emergency; null: not banned."
    )


class ManualPart(Payload):
    """What a device in MANUAL follows, whole numbers; a value that is left out, or null, holds what is found."""

    power_kw: SignedKw | None = Field(
        None, description="AC block or genset: power into the bus, discharging positive; kW; null: as found."
    )
    limit_kw: WholeKw | None = Field(None, description="PV block: limit; kW; null: as found.")
    run: StrictBool | None = Field(None, description="Genset: whether it runs; null: as found.")
    supply_degc: WholeDegc | None = Field(None, description="Cooling unit: supply temperature; °C; null: as found.")


class SignaturePart(Payload):
    """One signature over the envelope without `sigs`."""

    key_id: KeyId = Field(description="Short name of the key, as `ems keys list` shows it.")
    sig: Signature = Field(description="Ed25519 over the canonical form (RFC 8785), 128 hex digits.")


class CommandMessage(Payload):
    """A signed command. Comes from outside, never retained; unknown fields are refused."""

    v: Literal[1] = Field(description="Version of the envelope's form.")
    name: CommandName = Field(description="What is asked for; the last part of the topic.")
    site: Label = Field(description="Id of the site.")
    id: CommandId = Field(description="Name of this command; the answer comes on `ack/<id>`.")
    seq: CommandSeq = Field(description="Rises with every command of the first key; milliseconds since 1970 will do.")
    issued: AwareDatetime = Field(description="When it was signed.")
    expires: AwareDatetime = Field(description="The message is dead then, at most 15 min after `issued`.")
    until: AwareDatetime | None = Field(None, description="When its effect ends; null: it has no lasting effect.")
    start: AwareDatetime | None = Field(None, description="Maintenance: when it begins; null: at once.")
    issuer: Annotated[str, Field(min_length=1, max_length=80)] = Field(description="Who asks, in words.")
    role: Role = Field(description="As what the issuer asks; at most the role of the first key.")
    target: Target = Field(SITE_TARGET, description="`site`, or the id of an asset, unit, pool, class or alarm.")
    value: Label | None = Field(
        None,
        description="Withdraw: id of the command that shall end. Alarm: what is done to it. Mode: which. Else null.",
    )
    reason: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        None, description="Alarm: why it is put aside; null: no reason is given."
    )
    limits: LimitsPart | None = Field(None, description="Limits: what is narrowed; else null.")
    manual: ManualPart | None = Field(None, description="Mode manual: what the device follows; null: as found.")
    sigs: Annotated[tuple[SignaturePart, ...], Field(min_length=1, max_length=4)] = Field(
        description="Signatures of different keys; the first is the issuer's."
    )


class CommandAckMessage(Message):
    """The answer to a command, once; written by the EMS only."""

    id: str = Field(description="The command.")
    name: str | None = Field(description="What it asked for; null: it could not be read.")
    answer: Answer = Field(description="`accepted`, `clipped` (a part of it, see the reason) or `rejected`.")
    reason: str = Field(description="Why, in one sentence.")
    until: Instant | None = Field(description="When its effect ends; null: it has no lasting effect.")
    limits: LimitsPart | None = Field(description="The limits as they are in force; null: there are none.")


class CommandInForcePart(Payload):
    """A command that has an effect now or will have one."""

    id: str = Field(description="The command.")
    name: CommandName = Field(description="What it asked for.")
    target: str = Field(description="`site`, or the id of an asset.")
    issuer: str = Field(description="Who asked, in words.")
    keys: tuple[str, ...] = Field(description="Names of the keys that signed it.")
    start: Instant | None = Field(description="When its effect begins; null: it has begun.")
    until: Instant = Field(description="When its effect ends.")
    limits: LimitsPart | None = Field(description="The limits as they are in force; null: there are none.")
    mode: str | None = Field(description="The mode that the target is in; null: the command gives none.")


class CommandsMessage(Message):
    """What is in force by command, and how many were taken and refused since the daemon's start."""

    in_force: tuple[CommandInForcePart, ...] = Field(description="Commands in force, the one that ends first in front.")
    n_accepted: Count = Field(description="Commands accepted or clipped.")
    n_rejected: Count = Field(description="Commands rejected, with those that were dropped unread.")
    n_dropped: Count = Field(description="Messages dropped unread, because too many came at once.")
    keys_trouble: str | None = Field(description="Why the file of keys cannot be used; null: it can.")
    audit_trouble: str | None = Field(description="Why the audit log cannot be written; null: it can.")
