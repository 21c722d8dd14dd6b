"""What the commands about devices share: their options, the device that is meant, and the question before a write."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ems.app.commissioning.targets import Target

FramingOption = Annotated[str, typer.Option("--framing", metavar="NAME", help="tcp or rtu-over-tcp.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.05, max=60.0, help="Limit of one answer, s.")]
MapsOption = Annotated[
    Path | None,
    typer.Option(
        "--maps", metavar="DIR", help="A directory of maps beside the shipped ones.", exists=True, file_okay=False
    ),
]
WhereArgument = Annotated[
    str, typer.Argument(metavar="CONFIG_DIR|HOST:PORT", help="A configuration, or an endpoint with --map.")
]
DeviceArgument = Annotated[str, typer.Argument(metavar="[DEVICE]", help="A device of the configuration.")]
MapOption = Annotated[str, typer.Option("--map", metavar="NAME", help="Map for HOST:PORT, or a driver: sunspec.pv.")]
UnitOption = Annotated[int, typer.Option("--unit", min=0, max=255, help="Unit of the device at HOST:PORT.")]

YesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ForceOption = Annotated[str, typer.Option("--force", metavar="REASON", help="Go on beside a running daemon, and why.")]
AuditOption = Annotated[Path | None, typer.Option("--audit", metavar="FILE", help="Other audit file.", dir_okay=False)]


def chosen_target(
    where: str, device: str, *, map_name: str, unit: int, framing: str, timeout_s: float, maps: Path | None
) -> "Target":
    """Return the device that the arguments mean."""
    from ems.app.commissioning.targets import endpoint_target, is_site, site_target

    if is_site(where):
        return site_target(where, device)
    return endpoint_target(
        where, map_name=map_name, unit=unit, framing=framing, timeout_s=timeout_s, maps=() if maps is None else (maps,)
    )


def is_endpoint(where: str) -> bool:
    """Return whether a command line means HOST:PORT and not a configuration."""
    from ems.app.commissioning.targets import is_site

    return not is_site(where)


@contextmanager
def only_master(target: "Target", *, force: str) -> Iterator[None]:
    """Make sure that no daemon commands the site, now or while the body runs."""
    from ems.app.commissioning.site_hold import daemon_signs, no_daemon_meanwhile, refuse_two_masters

    if target.files is None:
        yield
        return
    refuse_two_masters(asyncio.run(daemon_signs(target.files)), force=force)
    with no_daemon_meanwhile(target.files):
        yield


def asker(*, yes: bool) -> Callable[[str], bool]:
    """Return what asks the person at the terminal; where nobody can answer, only --yes means yes."""

    def ask(text: str) -> bool:
        print(text, file=sys.stderr)
        if yes:
            return True
        return sys.stdin.isatty() and typer.confirm("Go on?", default=False, err=True)

    return ask


def say(text: str) -> None:
    """Print at once: a script waits for it."""
    print(text, flush=True)


def tell(text: str) -> None:
    """Print beside the result."""
    print(text, file=sys.stderr, flush=True)
