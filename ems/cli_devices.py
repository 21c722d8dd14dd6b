"""`ems devices`: what an engineer does with the devices of a site, from the first answer to the signed report."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ems.cli_confirm import confirm
from ems.cli_output import EXIT_NO, JsonFlag, show

devices_app = typer.Typer(help="Find, read and command devices; commission a site.", no_args_is_help=True)
maps_app = typer.Typer(help="Register maps: which there are, and what is wrong with one.", no_args_is_help=True)
trace_app = typer.Typer(help="Record what devices answer, and answer like them.", no_args_is_help=True)
devices_app.add_typer(maps_app, name="maps")
devices_app.add_typer(trace_app, name="trace")

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
MapOption = Annotated[str, typer.Option("--map", metavar="NAME", help="Map of the device at HOST:PORT.")]
UnitOption = Annotated[int, typer.Option("--unit", min=0, max=255, help="Unit of the device at HOST:PORT.")]

YesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ForceOption = Annotated[str, typer.Option("--force", metavar="REASON", help="Go on beside a running daemon, and why.")]
AuditOption = Annotated[Path | None, typer.Option("--audit", metavar="FILE", help="Other audit file.", dir_okay=False)]

if TYPE_CHECKING:
    from ems.app.commissioning.targets import Target


devices_app.command()(confirm)


@devices_app.command()
def scan(
    endpoint: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Where to ask.")],
    *,
    units: Annotated[
        str | None, typer.Option("--units", metavar="LIST", help="Units such as 1,10-12; else 1, then 0 and 255.")
    ] = None,
    framing: FramingOption = "tcp",
    timeout: TimeoutOption = 1.0,
    maps: MapsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask who answers at an endpoint: SunSpec models, texts that name the device, maps that fit. Only reads."""
    from ems.app.commissioning.scan import scan as run_scan

    result = asyncio.run(
        run_scan(endpoint, units=units, framing=framing, timeout_s=timeout, maps=() if maps is None else (maps,))
    )
    show(result.document if as_json else result.text)
    if not result.answered:
        raise typer.Exit(EXIT_NO)


@devices_app.command()
def read(
    where: WhereArgument,
    device: DeviceArgument = "",
    *,
    map_name: MapOption = "",
    unit: UnitOption = 1,
    framing: FramingOption = "tcp",
    timeout: TimeoutOption = 1.0,
    maps: MapsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Read all points of a device once: registers, value, unit, quality, age and the address in documents."""
    from ems.app.commissioning.read import read as run_read
    from ems.runtime.clock import SystemClock

    target = _target(where, device, map_name=map_name, unit=unit, framing=framing, timeout_s=timeout, maps=maps)
    result = asyncio.run(run_read(target, clock=SystemClock()))
    show(result.document if as_json else result.text)


@devices_app.command()
def watch(
    where: WhereArgument,
    device: DeviceArgument = "",
    *,
    every: Annotated[float, typer.Option("--every", min=0.1, max=3600.0, help="Pause between two rounds, s.")] = 2.0,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Stop after so many.")] = None,
    map_name: MapOption = "",
    unit: UnitOption = 1,
    framing: FramingOption = "tcp",
    timeout: TimeoutOption = 1.0,
    maps: MapsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Read a device again and again until Ctrl-C; what has changed is marked, or, into a file, printed alone."""
    from ems.app.commissioning.read import watch as run_watch
    from ems.cli_watch import watcher
    from ems.runtime.clock import SystemClock

    target = _target(where, device, map_name=map_name, unit=unit, framing=framing, timeout_s=timeout, maps=maps)
    with watcher(as_json=as_json) as told:
        asyncio.run(run_watch(target, every_s=every, n_rounds=rounds, clock=SystemClock(), told=told))


# a negative value is no option
@devices_app.command(context_settings={"ignore_unknown_options": True})
def write(
    where: WhereArgument,
    words: Annotated[list[str], typer.Argument(metavar="[DEVICE] COMMAND VALUE", help="Such as power_kw -50.")],
    *,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Hold the value so long: 30s; else it is sent once.")
    ] = "",
    yes: YesFlag = False,
    force: ForceOption = "",
    audit: AuditOption = None,
    map_name: MapOption = "",
    unit: UnitOption = 1,
    framing: FramingOption = "tcp",
    timeout: TimeoutOption = 1.0,
    maps: MapsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Command a device once, within what it takes, and see what becomes of it. Asks before; noted in an audit file."""
    from ems.app.commissioning.audit import AuditLog
    from ems.app.commissioning.write import audit_file, parse_command
    from ems.app.commissioning.write import write as run_write
    from ems.app.durations import parse_duration_s
    from ems.runtime.clock import SystemClock

    device, name, value = parse_command(words, named=not _is_endpoint(where))
    for_s = parse_duration_s(duration, option="--for") if duration else 0.0
    target = _target(where, device, map_name=map_name, unit=unit, framing=framing, timeout_s=timeout, maps=maps)
    clock = SystemClock()
    log = AuditLog(audit or audit_file(target), clock)
    with _only_master(target, force=force):
        result = asyncio.run(
            run_write(target, name, value, for_s=for_s, audit=log, forced=force, ask=_asker(yes=yes), clock=clock)
        )
    show(result.document if as_json else result.text)
    if not result.done:
        raise typer.Exit(EXIT_NO)


@devices_app.command()
def verify(
    site: Annotated[str, typer.Argument(metavar="CONFIG_DIR", help="A configuration directory.")],
    *,
    device: Annotated[list[str] | None, typer.Option("--device", metavar="ID", help="Only this; may repeat.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Report as HTML and JSON.", file_okay=False)
    ] = None,
    step: Annotated[
        float, typer.Option("--step", min=0.5, max=5.0, help="Size of the step test, % of the rating.")
    ] = 2.0,
    yes: YesFlag = False,
    force: ForceOption = "",
    audit: AuditOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Check each device: identity, values, signs by a small step, limits, heartbeat, fall-back; exit 1 if one fails."""
    from ems.app.commissioning.audit import AuditLog
    from ems.app.commissioning.targets import site_targets
    from ems.app.commissioning.verify import chosen
    from ems.app.commissioning.verify import verify as run_verify
    from ems.app.commissioning.verify_device import Rules
    from ems.app.commissioning.write import audit_file
    from ems.runtime.clock import SystemClock

    targets = chosen(site_targets(site), device or [])
    clock = SystemClock()
    log = AuditLog(audit or audit_file(targets[0]), clock)
    rules = Rules(ask=_asker(yes=yes), audit=log, forced=force, step_frac=step / 100.0)
    with _only_master(targets[0], force=force):
        result = asyncio.run(run_verify(targets, rules, out=out, clock=clock, told=_tell))
    show(result.document if as_json else result.text)
    if not result.passed:
        raise typer.Exit(EXIT_NO)


@trace_app.command()
def record(
    where: WhereArgument,
    device: DeviceArgument = "",
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE|DIR", help="A .jsonl file, or a directory.")],
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often everything is asked.")] = 1,
    every: Annotated[float, typer.Option("--every", min=0.0, max=3600.0, help="From one round to the next, s.")] = 1.0,
    map_name: MapOption = "",
    unit: UnitOption = 1,
    framing: FramingOption = "tcp",
    timeout: TimeoutOption = 1.0,
    maps: MapsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Record what one device, or all of a configuration, answer to the questions of their maps."""
    from ems.app.commissioning.targets import site_targets
    from ems.app.commissioning.trace import record as run_record
    from ems.runtime.clock import SystemClock

    if device or _is_endpoint(where):
        found = _target(where, device, map_name=map_name, unit=unit, framing=framing, timeout_s=timeout, maps=maps)
        targets: tuple[Target, ...] = (found,)
    else:
        targets = site_targets(where)
    result = asyncio.run(run_record(targets, out=out, every_s=every, n_rounds=rounds, clock=SystemClock()))
    show(result.document if as_json else result.text)
    if not result.answered:
        raise typer.Exit(EXIT_NO)


@trace_app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recorded trace.", dir_okay=False)],
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 1502,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="Else until Ctrl-C.")] = "",
) -> None:
    """Answer any Modbus client as the recorded devices did."""
    from ems.app.commissioning.trace import replay as run_replay
    from ems.app.durations import parse_duration_s
    from ems.runtime.clock import SystemClock

    for_s = parse_duration_s(duration, option="--for") if duration else None
    asyncio.run(run_replay(file, host=host, port=port, clock=SystemClock(), ready=_say, for_s=for_s))


@maps_app.command("list")
def list_(*, maps: MapsOption = None, as_json: JsonFlag = False) -> None:
    """Name every map with its class and the document it comes from."""
    from ems.app.commissioning.maps import list_maps

    report = list_maps(() if maps is None else (maps,))
    show(report.document if as_json else report.text)


@maps_app.command("show")
def show_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a map.")],
    *,
    maps: MapsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what a map reads and writes."""
    from ems.app.commissioning.maps import show_map

    report = show_map(name, () if maps is None else (maps,))
    show(report.document if as_json else report.text)


@maps_app.command()
def lint(
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE|DIR]", help="A map, or a directory of maps; else the shipped ones.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Say everything that is wrong with maps: file, line, point, reason. Exit 2 if anything is."""
    from ems.app.commissioning.maps import lint_maps

    n_maps = lint_maps(path)
    show({"maps": n_maps, "problems": []} if as_json else f"{n_maps} maps, nothing wrong")


def _target(
    where: str, device: str, *, map_name: str, unit: int, framing: str, timeout_s: float, maps: Path | None
) -> "Target":
    """Return the device that the arguments mean."""
    from ems.app.commissioning.targets import endpoint_target, is_site, site_target

    if is_site(where):
        return site_target(where, device)
    return endpoint_target(
        where, map_name=map_name, unit=unit, framing=framing, timeout_s=timeout_s, maps=() if maps is None else (maps,)
    )


def _is_endpoint(where: str) -> bool:
    from ems.app.commissioning.targets import is_site

    return not is_site(where)


@contextmanager
def _only_master(target: "Target", *, force: str) -> Iterator[None]:
    """Make sure that no daemon commands the site, now or while the body runs."""
    from ems.app.commissioning.site_hold import daemon_signs, no_daemon_meanwhile, refuse_two_masters

    if target.files is None:
        yield
        return
    refuse_two_masters(asyncio.run(daemon_signs(target.files)), force=force)
    with no_daemon_meanwhile(target.files):
        yield


def _asker(*, yes: bool) -> Callable[[str], bool]:
    """Return what asks the person at the terminal; where nobody can answer, only --yes means yes."""

    def ask(text: str) -> bool:
        print(text, file=sys.stderr)
        if yes:
            return True
        return sys.stdin.isatty() and typer.confirm("Go on?", default=False, err=True)

    return ask


def _say(text: str) -> None:
    """Print at once: a script waits for it."""
    print(text, flush=True)


def _tell(text: str) -> None:
    """Print beside the result."""
    print(text, file=sys.stderr, flush=True)
