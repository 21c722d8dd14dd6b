"""What the commands about devices share: their options, the device that is meant, and the question before a write."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from ems.app.commissioning.endpoints import Reach
    from ems.app.commissioning.targets import Target

_T = TypeVar("_T")

MapsOption = Annotated[
    Path | None,
    typer.Option(
        "--maps", metavar="DIR", help="A directory of maps beside the shipped ones.", exists=True, file_okay=False
    ),
]
WhereArgument = Annotated[
    str,
    typer.Argument(
        metavar="CONFIG_DIR|HOST:PORT",
        help="A configuration, or with --map an endpoint; with --framing rtu a serial port.",
    ),
]
DeviceArgument = Annotated[str, typer.Argument(metavar="[DEVICE]", help="A device of the configuration.")]

YesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ForceOption = Annotated[str, typer.Option("--force", metavar="REASON", help="Go on beside a running daemon, and why.")]
AuditOption = Annotated[Path | None, typer.Option("--audit", metavar="FILE", help="Other audit file.", dir_okay=False)]


def file_option(name: str, text: str) -> Any:  # as typer's own function returns it
    """Return an option that names a file."""
    return typer.Option(name, metavar="FILE", help=text, dir_okay=False)


@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    """How an endpoint is talked to."""

    framing: Annotated[str, typer.Option("--framing", metavar="NAME", help="tcp, rtu-over-tcp, rtu or tls.")] = "tcp"
    timeout_s: Annotated[float, typer.Option("--timeout", min=0.05, max=60.0, help="Limit of one answer, s.")] = 1.0
    baudrate: Annotated[
        int | None, typer.Option("--baudrate", min=300, max=4_000_000, help="rtu: bits per second, else 19200.")
    ] = None
    parity: Annotated[
        str | None, typer.Option("--parity", metavar="NAME", help="rtu: none, even or odd, else even.")
    ] = None
    stop_bits: Annotated[int | None, typer.Option("--stop-bits", min=1, max=2, help="rtu: 1 or 2, else 1.")] = None
    ca_file: Annotated[Path | None, file_option("--ca-file", "tls: certificate that signs the device's.")] = None
    cert_file: Annotated[Path | None, file_option("--cert-file", "tls: our own certificate.")] = None
    key_file: Annotated[Path | None, file_option("--key-file", "tls: its key.")] = None
    server_name: Annotated[
        str | None, typer.Option("--server-name", metavar="NAME", help="tls: name in the device's certificate.")
    ] = None
    maps: MapsOption = None

    @property
    def directories(self) -> tuple[Path, ...]:
        """Return where maps are looked for beside the shipped ones."""
        return () if self.maps is None else (self.maps,)

    def reach(self) -> "Reach":
        """Return what of them says how to talk."""
        from ems.app.commissioning.endpoints import Reach

        return Reach(
            framing=self.framing,
            timeout_s=self.timeout_s,
            baud=self.baudrate,
            parity=self.parity,
            stop_bits=self.stop_bits,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
            server_name=self.server_name,
        )


@dataclass(frozen=True, kw_only=True)
class TargetOptions(EndpointOptions):
    """What a command needs to know of a device that no configuration names."""

    map_name: Annotated[
        str, typer.Option("--map", metavar="NAME", help="Map for HOST:PORT, or a driver: sunspec.pv.")
    ] = ""
    unit: Annotated[int, typer.Option("--unit", min=0, max=255, help="Unit of the device at HOST:PORT.")] = 1

    def names_device(self, where: str) -> bool:
        """Return whether a command line means one device at an endpoint and not a configuration."""
        from ems.app.commissioning.targets import is_site

        reach = self.reach()
        return not is_site(where) or (reach.is_line and not Path(where).is_dir())

    def target(self, where: str, device: str) -> "Target":
        """Return the device that the command line means.

        Raises:
            ConfigError: There is none such, or it cannot be reached like this.
        """
        from ems.app.commissioning.targets import endpoint_target, site_target

        if not self.names_device(where):
            return site_target(where, device)
        return endpoint_target(where, map_name=self.map_name, unit=self.unit, reach=self.reach(), maps=self.directories)


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


def run_by_hand(work: Coroutine[object, object, _T], *, audit: Path) -> _T:
    """Run what commands a device; whoever or whatever breaks it off, it ends what it has begun.

    Raises:
        typer.Exit: A signal broke it off; 128 and its number, as of a process that a signal ends.
    """
    from ems.app.commissioning.interruption import InterruptedWorkError, interruptible

    try:
        return asyncio.run(interruptible(work))
    except InterruptedWorkError as error:
        # the terminal may be the one that was closed
        with suppress(OSError):
            tell(f"{error}: {audit} says what was commanded, and what was put back")
        raise typer.Exit(128 + error.number) from error


def say(text: str) -> None:
    """Print at once: a script waits for it."""
    print(text, flush=True)


def tell(text: str) -> None:
    """Print beside the result."""
    print(text, file=sys.stderr, flush=True)
