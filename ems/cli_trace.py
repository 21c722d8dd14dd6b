"""`ems devices trace`: records what devices answer, and answers like them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ems.cli_options import with_options
from ems.cli_output import EXIT_NO, JsonFlag, show
from ems.cli_targets import DeviceArgument, MapsOption, TargetOptions, WhereArgument, file_option, say

if TYPE_CHECKING:
    from ems.app.commissioning.replay import BrokerReach

trace_app = typer.Typer(help="Record what devices answer, and answer like them.", no_args_is_help=True)


@trace_app.command()
@with_options
def record(
    where: WhereArgument,
    device: DeviceArgument = "",
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE|DIR", help="A .jsonl file, or a directory.")],
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often everything is asked.")] = 1,
    every: Annotated[float, typer.Option("--every", min=0.0, max=3600.0, help="From one round to the next, s.")] = 1.0,
    at: TargetOptions,
    as_json: JsonFlag = False,
) -> None:
    """Record what one device, or all of a configuration, answer to the questions of their maps."""
    from ems.app.commissioning.targets import site_targets
    from ems.app.commissioning.trace import record as run_record
    from ems.runtime.clock import SystemClock

    is_one = device or at.names_device(where)
    targets = (at.target(where, device),) if is_one else site_targets(where)
    result = asyncio.run(run_record(targets, out=out, every_s=every, n_rounds=rounds, clock=SystemClock()))
    show(result.document if as_json else result.text)
    if not result.answered:
        raise typer.Exit(EXIT_NO)


@dataclass(frozen=True, kw_only=True)
class BrokerOptions:
    """Which broker the messages of a recording are published to, and how it lets us in."""

    broker: Annotated[
        str, typer.Option("--broker", metavar="HOST:PORT", help="messages: the broker to publish to.")
    ] = ""
    username: Annotated[str | None, typer.Option("--username", metavar="NAME", help="messages: our name there.")] = None
    password_file: Annotated[Path | None, file_option("--password-file", "messages: holds the password alone.")] = None
    ca_file: Annotated[Path | None, file_option("--ca-file", "messages: certificate that signs the broker's.")] = None
    cert_file: Annotated[Path | None, file_option("--cert-file", "messages: our own certificate.")] = None
    key_file: Annotated[Path | None, file_option("--key-file", "messages: its key.")] = None

    def reach(self) -> "BrokerReach":
        """Return how the broker is reached."""
        from ems.app.commissioning.replay import BrokerReach

        return BrokerReach(
            broker=self.broker,
            username=self.username,
            password_file=self.password_file,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
        )


@trace_app.command()
@with_options
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A recorded trace.", dir_okay=False)],
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 1502,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="Else until Ctrl-C.")] = "",
    maps: MapsOption = None,
    at: BrokerOptions,
) -> None:
    """Answer any Modbus client, or publish to a broker, as the recorded devices did."""
    from ems.app.commissioning.replay import Stage
    from ems.app.commissioning.replay import replay as run_replay
    from ems.app.durations import parse_duration_s
    from ems.runtime.clock import SystemClock

    for_s = parse_duration_s(duration, option="--for") if duration else None
    stage = Stage(host=host, port=port, broker=at.reach(), maps=() if maps is None else (maps,))
    asyncio.run(run_replay(file, stage, clock=SystemClock(), told=say, for_s=for_s))
