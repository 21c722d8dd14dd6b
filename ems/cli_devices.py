"""`ems devices`: what an engineer does with the devices of a site, from the first answer to the signed report."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ems.cli_confirm import confirm
from ems.cli_maps import maps_app
from ems.cli_options import with_options
from ems.cli_output import EXIT_NO, JsonFlag, show
from ems.cli_targets import (
    AuditOption,
    DeviceArgument,
    EndpointOptions,
    ForceOption,
    TargetOptions,
    WhereArgument,
    YesFlag,
    asker,
    only_master,
    run_by_hand,
    tell,
)
from ems.cli_trace import trace_app

devices_app = typer.Typer(help="Find, read and command devices; commission a site.", no_args_is_help=True)
devices_app.add_typer(maps_app, name="maps")
devices_app.add_typer(trace_app, name="trace")

devices_app.command()(confirm)


@devices_app.command()
@with_options
def scan(
    endpoint: Annotated[
        str, typer.Argument(metavar="HOST:PORT", help="Where to ask; with --framing rtu a serial port.")
    ] = "",
    *,
    port: Annotated[str, typer.Option("--port", metavar="DEVICE", help="rtu: the serial port, as /dev/ttyUSB0.")] = "",
    units: Annotated[
        str | None, typer.Option("--units", metavar="LIST", help="Units such as 1,10-12; else 1, then 0 and 255.")
    ] = None,
    at: EndpointOptions,
    as_json: JsonFlag = False,
) -> None:
    """Ask who answers at an endpoint: SunSpec models, texts that name the device, maps that fit. Only reads."""
    from ems.app.commissioning.endpoints import scanned_endpoint
    from ems.app.commissioning.scan import scan as run_scan

    where = scanned_endpoint(endpoint, port=port, reach=at.reach())
    result = asyncio.run(run_scan(where, units=units, reach=at.reach(), maps=at.directories))
    show(result.document if as_json else result.text)
    if not result.answered:
        raise typer.Exit(EXIT_NO)


@devices_app.command()
@with_options
def read(
    where: WhereArgument,
    device: DeviceArgument = "",
    *,
    at: TargetOptions,
    as_json: JsonFlag = False,
) -> None:
    """Read all points of a device once: registers, value, unit, quality, age and the address in documents."""
    from ems.app.commissioning.read import read as run_read
    from ems.runtime.clock import SystemClock

    target = at.target(where, device)
    result = asyncio.run(run_read(target, clock=SystemClock()))
    show(result.document if as_json else result.text)


@devices_app.command()
@with_options
def watch(
    where: WhereArgument,
    device: DeviceArgument = "",
    *,
    every: Annotated[float, typer.Option("--every", min=0.1, max=3600.0, help="Pause between two rounds, s.")] = 2.0,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="Stop after so many.")] = None,
    at: TargetOptions,
    as_json: JsonFlag = False,
) -> None:
    """Read a device again and again until Ctrl-C; what has changed is marked, or, into a file, printed alone."""
    from ems.app.commissioning.read import watch as run_watch
    from ems.cli_watch import watcher
    from ems.runtime.clock import SystemClock

    target = at.target(where, device)
    with watcher(as_json=as_json) as told:
        asyncio.run(run_watch(target, every_s=every, n_rounds=rounds, clock=SystemClock(), told=told))


# a negative value is no option
@devices_app.command(context_settings={"ignore_unknown_options": True})
@with_options
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
    at: TargetOptions,
    as_json: JsonFlag = False,
) -> None:
    """Command a device once, within what it takes, and see what becomes of it. Asks before; noted in an audit file."""
    from ems.app.commissioning.audit import AuditLog
    from ems.app.commissioning.write import audit_file, parse_command
    from ems.app.commissioning.write import write as run_write
    from ems.app.durations import parse_duration_s
    from ems.runtime.clock import SystemClock

    device, name, value = parse_command(words, named=not at.names_device(where))
    for_s = parse_duration_s(duration, option="--for") if duration else 0.0
    target = at.target(where, device)
    clock = SystemClock()
    log = AuditLog(audit or audit_file(target), clock)
    with only_master(target, force=force):
        work = run_write(target, name, value, for_s=for_s, audit=log, forced=force, ask=asker(yes=yes), clock=clock)
        result = run_by_hand(work, audit=log.file)
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
    rules = Rules(ask=asker(yes=yes), audit=log, forced=force, step_frac=step / 100.0)
    with only_master(targets[0], force=force):
        work = run_verify(targets, rules, out=out, clock=clock, told=tell)
        result = run_by_hand(work, audit=log.file)
    show(result.document if as_json else result.text)
    if not result.passed:
        raise typer.Exit(EXIT_NO)
