"""What a command means on this site: its target, and the bound that is left of it; a bound only ever narrows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ems.commands.refusal import Refusal, RefusalKind
from ems.contract.command import SITE_TARGET, CommandMessage, CommandName, LimitsPart
from ems.model.annunciation import ActionKind
from ems.model.battery import BatteryPool
from ems.model.bounds import Bound
from ems.model.hand import HandMode
from ems.model.site import Site

# a test run: to working temperature and an hour under load, with room
_LONGEST_TEST: Final = timedelta(hours=2)
_LONGEST_WORK: Final = timedelta(days=30)
# value of a mode command that lets an asset in SEMI do what it proposes
CONFIRM: Final = "confirm"
NOTHING: Final[Mapping[str, tuple[str, ...]]] = {}
_OF_SITE: Final = ("import_kw", "export_kw", "soc_floor_pct")
_OF_BLOCKS: Final = ("charge_kw", "discharge_kw")
_LIMIT_NAMES: Final = (*_OF_SITE, *_OF_BLOCKS, "genset_ban")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoped:
    """A command as it can be in force: until when, its bound (None: it narrows nothing), what was clipped and why."""

    until_utc: datetime | None
    bound: Bound | None
    limits: LimitsPart | None
    clips: tuple[str, ...]


def scoped(
    command: CommandMessage,
    site: Site,
    utc: datetime,
    *,
    longest: timedelta,
    in_hands: Mapping[str, tuple[str, ...]] = NOTHING,
) -> Scoped | Refusal:
    """Return what is left of a command on this site, or why nothing is.

    `in_hands` are the assets that people can take over, each with the values that it follows in MANUAL.
    """
    form = _form_refusal(command) or _site_refusal(command, site) or _hand_refusal(command, in_hands)
    if form is not None:
        return form
    until = _until(command, utc, longest)
    if isinstance(until, Refusal):
        return until
    until_utc, clips = until
    match command.name:
        case CommandName.LIMITS:
            return _limits(command, site, until_utc, clips)
        case CommandName.MAINTENANCE | CommandName.GENSET_TEST:
            return _units(command, site, until_utc, clips)
        case _:
            return Scoped(until_utc=until_utc, bound=None, limits=None, clips=clips)


def _form_refusal(command: CommandMessage) -> Refusal | None:
    """Return which field does not belong to the command, or which one lacks."""
    name = command.name
    needed = {
        "limits": name is CommandName.LIMITS,
        "value": name in (CommandName.WITHDRAW, CommandName.ALARM, CommandName.MODE),
    }
    for field, is_needed in needed.items():
        if (getattr(command, field) is not None) is not is_needed:
            return _form(f"{name.value} {'needs' if is_needed else 'has no'} {field}")
    if command.reason is not None and name is not CommandName.ALARM:
        return _form(f"{name.value} has no reason")
    if command.start is not None and name is not CommandName.MAINTENANCE:
        return _form(f"{name.value} has no start: it begins at once")
    if command.manual is not None and (name is not CommandName.MODE or command.value != HandMode.MANUAL.value):
        return _form("only mode manual has manual")
    if name is CommandName.ALARM:
        return _alarm_refusal(command)
    if name is CommandName.MODE:
        return None
    speaks_of_units = name in (CommandName.LIMITS, CommandName.MAINTENANCE, CommandName.GENSET_TEST)
    if not speaks_of_units and command.target != SITE_TARGET:
        return _target(f"{name.value} is for the whole site, not for '{command.target}'")
    return None


def _hand_refusal(command: CommandMessage, in_hands: Mapping[str, tuple[str, ...]]) -> Refusal | None:
    """Return why a mode is none, or not for this asset."""
    if command.name is not CommandName.MODE:
        return None
    known = (*(mode.value for mode in HandMode), CONFIRM)
    if command.value not in known:
        return _form(f"value '{command.value}' is no mode; known are {', '.join(known)}")
    if command.target not in in_hands:
        return _target(f"nothing is called '{command.target}' that is commanded")
    given = {} if command.manual is None else command.manual.model_dump(exclude_none=True)
    for name in given:
        if name not in in_hands[command.target]:
            return _target(f"{name} means nothing for '{command.target}'")
    return None


def _alarm_refusal(command: CommandMessage) -> Refusal | None:
    """Return why an action on an alarm is none, or lacks its end."""
    known = [kind.value for kind in ActionKind]
    if command.value not in known:
        return _form(f"value '{command.value}' is nothing that is done to alarms; known are {', '.join(known)}")
    if (command.until is not None) is not (command.value == ActionKind.SHELVE.value):
        return _form("a shelving needs until, and nothing else that is done to alarms has it")
    return None


def _site_refusal(command: CommandMessage, site: Site) -> Refusal | None:
    """Return what the site would need for a command and does not have."""
    if command.name in (CommandName.ISLAND, CommandName.STAY_ISLAND) and site.grid is None:
        return _target("this site has no grid to leave")
    return None


def _until(
    command: CommandMessage, utc: datetime, longest: timedelta
) -> tuple[datetime | None, tuple[str, ...]] | Refusal:
    """Return when a command ends: asked for, at most so far ahead; a request without an end dies with its message."""
    match command.name:
        case CommandName.PLAN | CommandName.WITHDRAW:
            return (None, ()) if command.until is None else _form(f"{command.name.value} has no until")
        case CommandName.ALARM:
            # the list of alarms judges the end of a shelving
            return command.until, ()
        case CommandName.MODE if command.value == HandMode.AUTO.value:
            return (None, ()) if command.until is None else _form("mode auto has no until")
        case CommandName.LIMITS | CommandName.MAINTENANCE | CommandName.GENSET_TEST | CommandName.MODE if (
            command.until is None
        ):
            return _form(f"{command.name.value} needs until: nothing is in force without an end")
        case CommandName.GENSET_TEST:
            longest = min(longest, _LONGEST_TEST)
        case CommandName.MAINTENANCE:
            longest = _LONGEST_WORK
    until = command.expires if command.until is None else command.until
    if until <= max(utc, command.start or utc):
        return Refusal(kind=RefusalKind.TIME, reason="until is not after its beginning")
    if until <= utc + longest:
        return until, ()
    return utc + longest, (f"ends after {longest.total_seconds() / 3600.0:g} h at the latest",)


def _limits(
    command: CommandMessage, site: Site, until_utc: datetime | None, clips: tuple[str, ...]
) -> Scoped | Refusal:
    limits = command.limits
    if limits is None or until_utc is None:
        return _form("limits needs limits and until")
    asked = {name for name in _LIMIT_NAMES if getattr(limits, name) is not None}
    if not asked:
        return _form(f"limits names no limit; known are {', '.join(_LIMIT_NAMES)}")
    if asked & set(_OF_SITE) and command.target != SITE_TARGET:
        return _target(f"{', '.join(sorted(asked & set(_OF_SITE)))}: a limit of the whole site; target must be site")
    if asked & {"import_kw", "export_kw"} and site.grid is None:
        return _target("this site has no grid connection to limit")
    if "soc_floor_pct" in asked and not site.batteries:
        return _target("this site has no storage")
    found = _assets(command, site, asked)
    if isinstance(found, Refusal):
        return found
    assets, pool, n_blocks = found
    limits, clipped = _clipped(limits, site, pool, n_blocks)
    bound = Bound(
        id=command.id,
        issuer=command.issuer,
        until_utc=until_utc,
        assets=assets,
        import_kw=_number(limits.import_kw),
        export_kw=_number(limits.export_kw),
        soc_floor_pct=_number(limits.soc_floor_pct),
        charge_kw=None if limits.charge_kw is None else limits.charge_kw / n_blocks,
        discharge_kw=None if limits.discharge_kw is None else limits.discharge_kw / n_blocks,
        bans_starts=limits.genset_ban is True,
    )
    return Scoped(until_utc=until_utc, bound=bound, limits=limits, clips=(*clips, *clipped))


def _assets(
    command: CommandMessage, site: Site, asked: set[str]
) -> tuple[frozenset[str], BatteryPool | None, int] | Refusal:
    """Return the blocks or sets that limits speak of, their pool, and among how many blocks the power is shared."""
    target = command.target
    if asked & set(_OF_BLOCKS):
        if "genset_ban" in asked:
            return _target("limits of blocks and of sets are two commands")
        for pool in site.batteries:
            names = [block.id for block in pool.blocks]
            if target == pool.id:
                return frozenset(names), pool, len(names)
            if target in names:
                return frozenset((target,)), pool, 1
        return _target(f"'{target}' is no AC block or pool; known are {_some(_blocks(site))}")
    if "genset_ban" not in asked:
        return frozenset(), None, 1
    units = {unit for kind in site.gensets for unit in kind.unit_ids if target in (SITE_TARGET, kind.id, unit)}
    if not units:
        return _target(f"'{target}' is no set or class of sets; known are {_some(_sets(site))}")
    return frozenset(units), None, 1


def _clipped(
    limits: LimitsPart, site: Site, pool: BatteryPool | None, n_blocks: int
) -> tuple[LimitsPart, tuple[str, ...]]:
    """Return the limits within what the configuration allows anyway, and what was beyond it."""
    highest: dict[str, float] = {}
    if site.grid is not None:
        highest |= {"import_kw": site.grid.import_limit_kw, "export_kw": site.grid.export_limit_kw}
    if site.batteries:
        highest["soc_floor_pct"] = min(each.soc_max_pct for each in site.batteries)
    if pool is not None:
        highest |= {"charge_kw": n_blocks * pool.max_charge_kw, "discharge_kw": n_blocks * pool.max_discharge_kw}
    changed: dict[str, int] = {}
    for name, most in highest.items():
        value = getattr(limits, name)
        if value is not None and value > most:
            changed[name] = int(most)
    clips = tuple(
        f"{name} {getattr(limits, name)} is more than the site has: {value}" for name, value in changed.items()
    )
    return limits.model_copy(update=changed), clips


def _units(command: CommandMessage, site: Site, until_utc: datetime | None, clips: tuple[str, ...]) -> Scoped | Refusal:
    """Return a test of one set, or work on one set or block."""
    tests = command.name is CommandName.GENSET_TEST
    known = _sets(site) if tests else [*_sets(site), *_blocks(site)]
    if command.target not in known or until_utc is None:
        what = "set" if tests else "set or AC block"
        return _target(f"'{command.target}' is no {what}; known are {_some(known)}")
    bound = Bound(
        id=command.id,
        issuer=command.issuer,
        start_utc=command.start,
        until_utc=until_utc,
        assets=frozenset((command.target,)),
        tests=tests,
        out_of_service=not tests,
    )
    return Scoped(until_utc=until_utc, bound=bound, limits=None, clips=clips)


def _blocks(site: Site) -> list[str]:
    return [block.id for pool in site.batteries for block in pool.blocks]


def _sets(site: Site) -> list[str]:
    return [unit for kind in site.gensets for unit in kind.unit_ids]


def _some(names: list[str]) -> str:
    """Return the first and the last of many names."""
    return ", ".join(names) if len(names) <= 4 else f"{names[0]} to {names[-1]}"


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)


def _form(reason: str) -> Refusal:
    return Refusal(kind=RefusalKind.FORM, reason=reason)


def _target(reason: str) -> Refusal:
    return Refusal(kind=RefusalKind.TARGET, reason=reason)
