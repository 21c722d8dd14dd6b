"""`ems alarms`: list, acknowledge, shelve alarms, take them out of service, on the machine of the daemon."""

from typing import TYPE_CHECKING, Annotated

import typer

from ems.cli_output import EXIT_NO, JsonFlag, show

if TYPE_CHECKING:
    from ems.model.annunciation import AlarmAnswer

alarms_app = typer.Typer(help="The alarms of a site: list, acknowledge, shelve.", no_args_is_help=True)

Site = Annotated[str, typer.Argument(metavar="CONFIG_DIR", help="The configuration of the site.")]
AlarmId = Annotated[str, typer.Argument(metavar="ID", help="Name of the alarm, as in the list.")]
By = Annotated[str | None, typer.Option("--by", help="Who asks; the user of the shell by default.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why.")]


@alarms_app.command("list")
def list_alarms(site: Site, *, as_json: JsonFlag = False) -> None:
    """Show the list that the daemon has saved last, most urgent first."""
    from ems.app.alarms import saved_alarms

    found = saved_alarms(site)
    show(found.document() if as_json else found.text())


@alarms_app.command()
def acknowledge(
    site: Site,
    alarm: Annotated[str, typer.Argument(metavar="ID", help="Name of the alarm.")] = "",
    *,
    everything: Annotated[bool, typer.Option("--all", help="Acknowledge all that wait.")] = False,
    by: By = None,
    as_json: JsonFlag = False,
) -> None:
    """Say that people have seen an alarm."""
    from ems.app.alarms import ask
    from ems.model.annunciation import ActionKind

    if bool(alarm) == everything:
        raise typer.BadParameter("name one alarm, or --all", param_hint="ID")
    _answer(ask(site, ActionKind.ACKNOWLEDGE, alarm or None, by=by), as_json=as_json)


@alarms_app.command()
def shelve(
    site: Site,
    alarm: AlarmId,
    *,
    minutes: Annotated[float, typer.Option("--minutes", min=1.0, max=4320.0, help="For how long.")],
    reason: Reason = None,
    by: By = None,
    as_json: JsonFlag = False,
) -> None:
    """Put an alarm aside for a while: it stays in the list, nobody is called for it, and it comes back by itself."""
    from ems.app.alarms import ask
    from ems.model.annunciation import ActionKind

    _answer(ask(site, ActionKind.SHELVE, alarm, minutes=minutes, reason=reason, by=by), as_json=as_json)


@alarms_app.command()
def unshelve(site: Site, alarm: AlarmId, *, by: By = None, as_json: JsonFlag = False) -> None:
    """Bring a shelved alarm back now."""
    from ems.app.alarms import ask
    from ems.model.annunciation import ActionKind

    _answer(ask(site, ActionKind.UNSHELVE, alarm, by=by), as_json=as_json)


@alarms_app.command()
def remove(
    site: Site,
    alarm: AlarmId,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    by: By = None,
    as_json: JsonFlag = False,
) -> None:
    """Take an alarm out of service until somebody brings it back; it stays in the list."""
    from ems.app.alarms import ask
    from ems.model.annunciation import ActionKind

    _answer(ask(site, ActionKind.REMOVE_FROM_SERVICE, alarm, reason=reason, by=by), as_json=as_json)


@alarms_app.command("return")
def return_to_service(site: Site, alarm: AlarmId, *, by: By = None, as_json: JsonFlag = False) -> None:
    """Bring an alarm that is out of service back."""
    from ems.app.alarms import ask
    from ems.model.annunciation import ActionKind

    _answer(ask(site, ActionKind.RETURN_TO_SERVICE, alarm, by=by), as_json=as_json)


def _answer(answer: "AlarmAnswer", *, as_json: bool) -> None:
    """Show what a running daemon will do; exit code 1 where the answer is no."""
    text = f"{answer.text}; a running daemon takes it up" if answer.accepted else answer.text
    show({"accepted": answer.accepted, "clipped": answer.clipped, "text": answer.text} if as_json else text)
    if not answer.accepted:
        raise typer.Exit(EXIT_NO)
