"""`ems cmd`: signed commands to a running site, by whoever holds a key."""

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from ems.cli_options import with_options
from ems.cli_output import EXIT_NO, show

cmd_app = typer.Typer(help="Send signed commands to a running site.", no_args_is_help=True)
TargetArgument = Annotated[str, typer.Argument(metavar="TARGET", help="The id of the asset; left out: the whole site.")]
UnitArgument = Annotated[str, typer.Argument(metavar="TARGET", help="The id of the asset.")]


@dataclass(frozen=True)
class SendOptions:
    """Where to, as whom, and what to do with the answer."""

    site: Annotated[str, typer.Option("--site", metavar="CONFIG_DIR", help="The configuration of the site.")] = "."
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Your private key.", dir_okay=False)] = Path(
        "ems.key"
    )
    broker: Annotated[
        str, typer.Option("--broker", metavar="HOST:PORT", help="Another broker than that of the configuration.")
    ] = ""
    issuer: Annotated[str, typer.Option("--issuer", help="Who asks, in words; left out: your user name.")] = ""
    role: Annotated[str, typer.Option("--role", help="operator or engineer, as the key allows.")] = "operator"
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the command here for a second signature.", dir_okay=False),
    ] = None
    site_time: Annotated[bool, typer.Option("--site-time", help="Go by the site's own clock, as in a demo.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON on standard output.")] = False


ForOption = Annotated[str, typer.Option("--for", metavar="DURATION", help="How long it counts, as 30m or 2h.")]


@cmd_app.command()
@with_options
def limits(
    target: TargetArgument = "site",
    *,
    import_kw: Annotated[int | None, typer.Option("--import-kw", min=0, help="Most import of the site.")] = None,
    export_kw: Annotated[int | None, typer.Option("--export-kw", min=0, help="Most export of the site.")] = None,
    soc_floor_pct: Annotated[
        int | None, typer.Option("--soc-floor-pct", min=0, max=100, help="SoC that steady operation keeps.")
    ] = None,
    charge_kw: Annotated[
        int | None, typer.Option("--charge-kw", min=0, help="Most charging of an AC block or pool.")
    ] = None,
    discharge_kw: Annotated[
        int | None, typer.Option("--discharge-kw", min=0, help="Most discharging of an AC block or pool.")
    ] = None,
    genset_ban: Annotated[
        bool, typer.Option("--genset-ban", help="No start of these sets, but in an emergency.")
    ] = False,
    duration: ForOption = "1h",
    at: SendOptions,
) -> None:
    """Narrow what the site may do, for a time."""
    given = {
        "import_kw": import_kw,
        "export_kw": export_kw,
        "soc_floor_pct": soc_floor_pct,
        "charge_kw": charge_kw,
        "discharge_kw": discharge_kw,
        "genset_ban": True if genset_ban else None,
    }
    asked = {name: value for name, value in given.items() if value is not None}
    if not asked:
        raise typer.BadParameter("name at least one limit, as --import-kw 9000", param_hint="limits")
    _carry_out("limits", at, target=target, limits=asked, duration=duration)


@cmd_app.command()
@with_options
def maintenance(
    target: UnitArgument,
    *,
    start: Annotated[
        str | None, typer.Option("--start", metavar="INSTANT", help="When work begins; left out: at once.")
    ] = None,
    duration: ForOption = "8h",
    at: SendOptions,
) -> None:
    """Take a set or an AC block out of service for a time; needs an engineer's key and --role engineer."""
    _carry_out("maintenance", at, target=target, start=start, duration=duration)


@cmd_app.command("genset-test")
@with_options
def genset_test(target: UnitArgument, *, duration: ForOption = "30m", at: SendOptions) -> None:
    """Let one set run for a test."""
    _carry_out("genset_test", at, target=target, duration=duration)


@cmd_app.command()
@with_options
def plan(*, at: SendOptions) -> None:
    """Ask for a fresh plan."""
    _carry_out("plan", at)


@cmd_app.command()
@with_options
def alarm(
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION", help="acknowledge, shelve, unshelve, remove_from_service or return_to_service."
        ),
    ],
    target: Annotated[
        str, typer.Argument(metavar="ID", help="The alarm; left out: acknowledge all that wait.")
    ] = "site",
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why it is put aside.")] = None,
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long it is shelved.")] = "8h",
    at: SendOptions,
) -> None:
    """Acknowledge or shelve an alarm, or take it out of service."""
    until = duration if action == "shelve" else ""
    _carry_out("alarm", at, target=target, value=action, reason=reason, duration=until)


@cmd_app.command()
@with_options
def mode(
    target: Annotated[
        str, typer.Argument(metavar="ASSET", help="AC block, genset, PV block, cooling unit, pcc, or site for all.")
    ],
    what: Annotated[str, typer.Argument(metavar="MODE", help="auto, semi, manual, off or confirm.")],
    *,
    power_kw: Annotated[
        int | None, typer.Option("--power-kw", help="In manual: power of an AC block or genset into the bus.")
    ] = None,
    limit_kw: Annotated[int | None, typer.Option("--limit-kw", min=0, help="In manual: limit of a PV block.")] = None,
    run: Annotated[
        bool | None, typer.Option("--run/--stop", help="In manual: whether a genset runs.", show_default=False)
    ] = None,
    supply_degc: Annotated[
        int | None, typer.Option("--supply-degc", help="In manual: supply temperature of a cooling unit.")
    ] = None,
    duration: ForOption = "1h",
    at: SendOptions,
) -> None:
    """Take a device or the site into hand, for a time; off needs an engineer's key and --role engineer."""
    given = {"power_kw": power_kw, "limit_kw": limit_kw, "run": run, "supply_degc": supply_degc}
    manual = {name: value for name, value in given.items() if value is not None}
    _carry_out("mode", at, target=target, value=what, manual=manual, duration="" if what == "auto" else duration)


@cmd_app.command()
@with_options
def island(*, duration: ForOption = "1h", at: SendOptions) -> None:
    """Leave the grid and stay away from it; needs two keys: --out here, then cosign."""
    _carry_out("island", at, duration=duration)


@cmd_app.command("stay-island")
@with_options
def stay_island(*, duration: ForOption = "1h", at: SendOptions) -> None:
    """Do not return to the grid."""
    _carry_out("stay_island", at, duration=duration)


@cmd_app.command("black-start")
@with_options
def black_start(*, duration: ForOption = "15m", at: SendOptions) -> None:
    """Begin a black start although a hold stands; needs two keys."""
    _carry_out("black_start", at, duration=duration)


@cmd_app.command("e-stop")
@with_options
def e_stop(*, duration: ForOption = "15m", at: SendOptions) -> None:
    """Stop writing to every device; the stop stays until it is left."""
    _carry_out("e_stop", at, duration=duration)


@cmd_app.command("leave-e-stop")
@with_options
def leave_e_stop(*, duration: ForOption = "15m", at: SendOptions) -> None:
    """Begin anew after an emergency stop; needs two keys, one of them an engineer's."""
    _carry_out("leave_e_stop", at, duration=duration)


@cmd_app.command()
@with_options
def withdraw(
    command_id: Annotated[str, typer.Argument(metavar="ID", help="The command that shall end.")], *, at: SendOptions
) -> None:
    """End a command before its time."""
    _carry_out("withdraw", at, value=command_id)


@cmd_app.command()
@with_options
def cosign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A command that --out has written.", dir_okay=False)],
    *,
    at: SendOptions,
) -> None:
    """Add a second person's signature to a command, and send it unless --out names a file."""
    from ems.app.command_files import cosigned

    _pass_on(cosigned(file, at.key), at)


def _carry_out(
    name: str,
    at: SendOptions,
    *,
    target: str = "site",
    limits: dict[str, int | bool] | None = None,
    value: str | None = None,
    reason: str | None = None,
    manual: dict[str, int | bool] | None = None,
    start: str | None = None,
    duration: str = "",
) -> None:
    """Sign a command, and send it or write it to a file."""
    from ems.app.command_files import Asked, made
    from ems.app.durations import parse_duration_s
    from ems.contract.command import CommandName

    asked = Asked(
        name=CommandName(name),
        target=target,
        limits=limits,
        value=value,
        reason=reason,
        manual=manual,
        start=start,
        duration_s=parse_duration_s(duration, option="--for") if duration else None,
    )
    _pass_on(made(asked, _desk(at), waits=at.out is not None), at)


def _pass_on(document: dict[str, Any], at: SendOptions) -> None:
    """Send an envelope or write it to a file; exit 1 where the site rejects it."""
    from ems.app.command_files import sent, written
    from ems.contract.command import Answer

    if at.out is not None:
        written(document, at.out)
        n_signed = len(document["sigs"])
        text = f"{at.out}: {document['name']}, signatures: {n_signed}; send it before {document['expires']}"
        show({"file": str(at.out), "command": document} if at.as_json else text)
        return
    ack = sent(document, _desk(at))
    until = "" if ack.until is None else f", until {ack.until:%Y-%m-%d %H:%M:%S} UTC"
    show(ack.model_dump(mode="json") if at.as_json else f"{ack.id}: {ack.answer.value}{until}: {ack.reason}")
    if ack.answer is Answer.REJECTED:
        raise typer.Exit(EXIT_NO)


def _desk(at: SendOptions) -> Any:  # ems.app.command_files.Desk, imported by the command that needs it
    from ems.app.command_files import Desk

    return Desk(
        site=at.site,
        key=at.key,
        issuer=at.issuer or getpass.getuser(),
        role=at.role,
        broker=at.broker,
        uses_site_time=at.site_time,
    )
