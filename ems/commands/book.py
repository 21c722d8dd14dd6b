"""Commands in force: what control and planning see of them, and what a restart must know."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from ems.commands.judge import Granted
from ems.commands.scope import CONFIRM
from ems.contract.command import CommandMessage, CommandName, LimitsPart, ManualPart, Role
from ems.model.bounds import Bound
from ems.model.hand import HandMode, Hands, HandSetting
from ems.model.requests import OperatorRequests

# beyond it somebody sends without looking at what is in force
MOST_IN_FORCE: Final = 64
_SAME: Final = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """One command that has an effect until `ends_s` of the monotonic clock; `until_utc` is for people and restarts."""

    id: str
    name: CommandName
    role: Role
    target: str
    issuer: str
    keys: tuple[str, ...]
    until_utc: datetime
    ends_s: float
    start_utc: datetime | None = None
    limits: LimitsPart | None = None
    bound: Bound | None = None
    # of a mode: which, what the device follows in MANUAL, and since when by the monotonic clock
    mode: str | None = None
    manual: ManualPart | None = None
    since_s: float = 0.0


def in_force(granted: Granted, *, until_utc: datetime, utc: datetime, now_s: float) -> InForce:
    """Return a command as it is in force from now on."""
    command = granted.command
    return InForce(
        id=command.id,
        name=command.name,
        role=command.role,
        target=command.target,
        issuer=command.issuer,
        keys=tuple(signer.name for signer in granted.signers),
        until_utc=until_utc,
        ends_s=now_s + (until_utc - utc).total_seconds(),
        start_utc=command.start,
        limits=granted.scope.limits,
        bound=granted.scope.bound,
        mode=command.value if command.name is CommandName.MODE else None,
        manual=command.manual,
        since_s=now_s,
    )


def with_modes(hands: Hands, commands: tuple[InForce, ...], now_s: float) -> Hands:
    """Return what is in hands with the modes that were commanded, which go before what was set on the machine."""
    alive = [each for each in commands if each.mode is not None and now_s < each.ends_s]
    if not alive:
        return hands
    return Hands(
        settings={
            **hands.settings,
            **{each.target: _hand_setting(each) for each in alive if each.mode != CONFIRM},
        },
        confirmed_until_s={
            **hands.confirmed_until_s,
            **{each.target: each.ends_s for each in alive if each.mode == CONFIRM},
        },
    )


def _hand_setting(command: InForce) -> HandSetting:
    given = ManualPart() if command.manual is None else command.manual
    return HandSetting(
        mode=HandMode(str(command.mode)),
        since_s=command.since_s,
        until_s=command.ends_s,
        until_utc=command.until_utc,
        power_kw=None if given.power_kw is None else float(given.power_kw),
        limit_kw=None if given.limit_kw is None else float(given.limit_kw),
        run=given.run,
        supply_degc=None if given.supply_degc is None else float(given.supply_degc),
        source=f"command {command.id} of {command.issuer}",
    )


def requests_of(commands: tuple[InForce, ...], *, utc: datetime, now_s: float) -> OperatorRequests:
    """Return what the commands ask of control."""
    names = {each.name for each in commands}
    return OperatorRequests(
        island=CommandName.ISLAND in names,
        stay_island=CommandName.STAY_ISLAND in names,
        black_start=CommandName.BLACK_START in names,
        e_stop=CommandName.E_STOP in names,
        leave_e_stop=CommandName.LEAVE_E_STOP in names,
        bounds=tuple(_ending(each.bound, each, utc, now_s) for each in commands if each.bound is not None),
    )


def _ending(bound: Bound, command: InForce, utc: datetime, now_s: float) -> Bound:
    """Return the bound with its end on the present wall clock, where that has stepped since."""
    until = utc + timedelta(seconds=command.ends_s - now_s)
    return bound if abs(until - bound.until_utc) <= _SAME else replace(bound, until_utc=until)


def without_ended(commands: tuple[InForce, ...], now_s: float) -> tuple[InForce, ...]:
    """Return the commands that go on."""
    return tuple(each for each in commands if now_s < each.ends_s)


def superseded(commands: tuple[InForce, ...], by: CommandMessage) -> tuple[InForce, ...]:
    """Return the commands that go on beside a new one.

    A withdrawal ends the one that it names; leaving an emergency stop ends what asked for it, and a new stop ends what
    asked to leave the one before. A mode ends the one that its target was in; a confirmation ends none.
    """
    match by.name:
        case CommandName.WITHDRAW:
            return tuple(each for each in commands if each.id != by.value)
        case CommandName.LEAVE_E_STOP:
            return tuple(each for each in commands if each.name is not CommandName.E_STOP)
        case CommandName.E_STOP:
            return tuple(each for each in commands if each.name is not CommandName.LEAVE_E_STOP)
        case CommandName.MODE:
            return tuple(each for each in commands if not _is_replaced(each, by))
        case _:
            return commands


def _is_replaced(each: InForce, by: CommandMessage) -> bool:
    """Return whether a mode takes the place of another one of its target."""
    same = each.mode is not None and each.target == by.target
    return same and (each.mode == CONFIRM) is (by.value == CONFIRM)


def document_of(commands: tuple[InForce, ...]) -> list[dict[str, object]]:
    """Return the commands as a document for the state."""
    return [
        {
            "id": each.id,
            "name": each.name.value,
            "role": each.role.value,
            "target": each.target,
            "issuer": each.issuer,
            "keys": list(each.keys),
            "until": each.until_utc.astimezone(UTC).isoformat(),
            "start": None if each.start_utc is None else each.start_utc.astimezone(UTC).isoformat(),
            "limits": None if each.limits is None else each.limits.model_dump(mode="json"),
            "bound": None if each.bound is None else _bound_document(each.bound),
            "mode": each.mode,
            "manual": None if each.manual is None else each.manual.model_dump(mode="json"),
        }
        for each in commands
    ]


def restored(document: object, *, utc: datetime, now_s: float) -> tuple[InForce, ...]:
    """Return the commands of a saved document that have not ended.

    Raises:
        ValueError, TypeError, KeyError: It is not one of ours.
    """
    if not isinstance(document, list):
        raise TypeError("no list of commands")
    found = [_restored(each, utc=utc, now_s=now_s) for each in document]
    return without_ended(tuple(found), now_s)


def _restored(each: Mapping[str, object], *, utc: datetime, now_s: float) -> InForce:
    until_utc = _instant(each["until"])
    keys, limits, bound = each["keys"], each["limits"], each["bound"]
    mode, manual = each.get("mode"), each.get("manual")
    if not isinstance(keys, list):
        raise TypeError("keys is no list")
    try:
        return InForce(
            id=str(each["id"]),
            name=CommandName(str(each["name"])),
            role=Role(str(each["role"])),
            target=str(each["target"]),
            issuer=str(each["issuer"]),
            keys=tuple(str(key) for key in keys),
            until_utc=until_utc,
            ends_s=now_s + (until_utc - utc).total_seconds(),
            start_utc=None if each["start"] is None else _instant(each["start"]),
            limits=None if limits is None else LimitsPart.model_validate(limits),
            bound=None if bound is None else _bound(bound),
            mode=None if mode is None else str(mode),
            manual=None if manual is None else ManualPart.model_validate(manual),
            since_s=now_s,
        )
    except ValidationError as error:
        raise ValueError(str(error)) from error


def _bound_document(bound: Bound) -> dict[str, object]:
    return {
        "id": bound.id,
        "issuer": bound.issuer,
        "until": bound.until_utc.isoformat(),
        "start": None if bound.start_utc is None else bound.start_utc.isoformat(),
        "assets": sorted(bound.assets),
        **{name: getattr(bound, name) for name in (*_NUMBERS, *_FLAGS)},
    }


def _bound(document: object) -> Bound:
    if not isinstance(document, Mapping):
        raise TypeError("no bound")
    numbers = {name: None if document[name] is None else float(document[name]) for name in _NUMBERS}
    return Bound(
        id=str(document["id"]),
        issuer=str(document["issuer"]),
        until_utc=_instant(document["until"]),
        start_utc=None if document["start"] is None else _instant(document["start"]),
        assets=frozenset(str(name) for name in document["assets"]),
        import_kw=numbers["import_kw"],
        export_kw=numbers["export_kw"],
        soc_floor_pct=numbers["soc_floor_pct"],
        charge_kw=numbers["charge_kw"],
        discharge_kw=numbers["discharge_kw"],
        bans_starts=document["bans_starts"] is True,
        tests=document["tests"] is True,
        out_of_service=document["out_of_service"] is True,
    )


_NUMBERS: Final = ("import_kw", "export_kw", "soc_floor_pct", "charge_kw", "discharge_kw")
_FLAGS: Final = ("bans_starts", "tests", "out_of_service")


def _instant(text: object) -> datetime:
    instant = datetime.fromisoformat(str(text))
    if instant.tzinfo is None:
        raise ValueError(f"'{text}' names no time zone")
    return instant
