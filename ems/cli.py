"""The command line. Exit codes: 0 fine, 1 the answer is no, 2 input refused, 3 unexpected (with a report file).

Errors go to standard error; with `--json` also as one object on standard output. Heavy parts are imported by the
command that needs them.
"""

import json
import sys
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ems.cli_alarms import alarms_app
from ems.cli_cmd import cmd_app
from ems.cli_devices import devices_app
from ems.cli_history import history_app
from ems.cli_keys import keys_app
from ems.cli_ledger import ledger_app
from ems.cli_mode import mode
from ems.cli_output import EXIT_NO, EXIT_REFUSED, EXIT_UNEXPECTED, JsonFlag, show
from ems.cli_report import evidence, report
from ems.cli_request import request
from ems.errors import ConfigError, ConfigProblem, EmsError
from ems.model.problem import LEAST_TIME_LIMIT_S, MOST_GAP_FRAC, MOST_THREADS, MOST_TIME_LIMIT_S

app = typer.Typer(
    name="ems",
    help="Energy-management controller for sites that power large GPU clusters.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

study_app = typer.Typer(help="Questions that the control code itself answers.", no_args_is_help=True)
app.add_typer(study_app, name="study")
app.add_typer(devices_app, name="devices")
app.add_typer(history_app, name="history")
app.add_typer(alarms_app, name="alarms")
app.add_typer(ledger_app, name="ledger")
app.add_typer(cmd_app, name="cmd")
app.add_typer(keys_app, name="keys")
app.command()(request)
app.command()(report)
app.command()(evidence)
app.command()(mode)

SiteArgument = Annotated[str, typer.Argument(metavar="SITE", help="A configuration directory or a shipped site.")]


@app.command()
def check(
    site: Annotated[
        str, typer.Argument(metavar="CONFIG_DIR", help="A configuration directory or a shipped site.")
    ] = "",
    *,
    list_sites: Annotated[bool, typer.Option("--list", help="Name the shipped sites and stop.")] = False,
    accept_risk: Annotated[bool, typer.Option("--accept-risk", help="Name dangerous values, refuse none.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Validate a configuration offline: every problem with file, key and what is allowed."""
    from ems.app.checking import checked_site, shipped_sites

    if list_sites:
        show({"sites": shipped_sites()} if as_json else "\n".join(shipped_sites()))
        return
    if not site:
        raise typer.BadParameter("name a configuration directory, or --list", param_hint="CONFIG_DIR")
    result = checked_site(site, accept_risk=accept_risk)
    risks = [f"\n  {risk}" for risk in result["risks"]]  # type: ignore[attr-defined]
    text = f"{result['site']}: configuration is valid ({result['devices']} devices)"
    show(result if as_json else text + "".join(risks))


@app.command()
def simulate(
    site: SiteArgument,
    *,
    days: Annotated[float, typer.Option("--days", min=0.01, max=3660.0, help="Simulated days.")],
    out: Annotated[Path, typer.Option("--out", help="Directory for all files.", file_okay=False)],
    start: Annotated[str, typer.Option("--start", help="Local date YYYY-MM-DD, 1970 to 2200.")] = "2025-01-08",
    step: Annotated[float, typer.Option("--step", min=1.0, max=900.0, help="Control step, s.")] = 60.0,
    replan: Annotated[float, typer.Option("--replan", min=1.0, max=240.0, help="Plan period, min.")] = 15.0,
    policy: Annotated[str, typer.Option("--policy", help="plan or merit-order.")] = "plan",
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Overrides the twin's seed.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run a site in closed loop on the simulated plant; writes summary, series, decisions, ledger and report."""
    from ems.app.simulation import RESULT_FILES, Policy, run_simulation
    from ems.hmi.progress import progress_bar

    if policy not in [item.value for item in Policy]:
        raise typer.BadParameter(f"'{policy}' is not plan or merit-order", param_hint="--policy")
    with progress_bar(f"{site}, {days:g} days, {policy}") as progress:
        summary = run_simulation(
            site,
            start=start,
            days=days,
            step_s=step,
            replan_min=replan,
            policy=Policy(policy),
            seed=seed,
            out=out,
            progress=progress,
        )
    show(summary if as_json else f"{_digest(summary)}\n  files in {out}: {' '.join(RESULT_FILES)}")


@app.command()
def plan(
    problem: Annotated[
        Path | None, typer.Argument(metavar="PROBLEM.json", help="A planning problem.", dir_okay=False)
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option("--out", help="Write the plan here.", dir_okay=False)] = None,
    gap: Annotated[float | None, typer.Option("--gap", min=0.0, max=MOST_GAP_FRAC, help="Relative gap.")] = None,
    time_limit: Annotated[
        float | None,
        typer.Option("--time-limit", min=LEAST_TIME_LIMIT_S, max=MOST_TIME_LIMIT_S, help="Seconds."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=MOST_THREADS, help="Threads of the solver.")
    ] = None,
    schema: Annotated[
        str, typer.Option("--schema", metavar="NAME", help="Print the JSON Schema of problem or plan and stop.")
    ] = "",
    as_json: JsonFlag = False,
) -> None:
    """Solve or replay one planning problem and check the plan; exit 1 if there is none in time or it is refused."""
    from ems.app.commissioning.interruption import InterruptedWorkError
    from ems.app.planning import planned, schema_text

    if schema:
        if problem is not None:
            raise typer.BadParameter("prints a schema and takes no PROBLEM.json", param_hint="--schema")
        show(schema_text(schema))
        return
    if problem is None:
        raise typer.BadParameter("name a planning problem, or --schema", param_hint="PROBLEM.json")
    try:
        result = planned(problem, gap_frac=gap, time_limit_s=time_limit, threads=threads, out=out)
    except InterruptedWorkError as error:
        raise typer.Exit(128 + error.number) from error
    show(result.document if as_json else result.text)
    if not result.passed:
        raise typer.Exit(EXIT_NO)


@study_app.command()
def pareto(
    study: Annotated[Path, typer.Argument(metavar="STUDY.toml", help="Days and CO2 prices.", dir_okay=False)],
    *,
    out: Annotated[Path, typer.Option("--out", help="Directory for all files.", file_okay=False)],
    as_json: JsonFlag = False,
) -> None:
    """Set the cost of a day against its emissions over a sweep of the CO2 price; writes the points and a picture."""
    from ems.app.study import pareto as pareto_study
    from ems.hmi.progress import progress_bar

    with progress_bar(f"{study}, cost against emissions") as progress:
        result = pareto_study(study, out=out, progress=progress)
    show(result.document if as_json else result.text)


@app.command()
def run(
    directory: Annotated[Path, typer.Argument(metavar="CONFIG_DIR", help="A configuration directory.")],
    *,
    accept_risk: Annotated[
        bool, typer.Option("--accept-risk", help="Run with dangerous values too; each is recorded and an alarm.")
    ] = False,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Look on: read, plan and decide, and write nothing to any device.")
    ] = False,
    clock: Annotated[str | None, typer.Option("--clock", hidden=True)] = None,
) -> None:
    """Run the daemon of a site until SIGTERM; SIGHUP takes a changed configuration, all of it or nothing."""
    from ems.app.daemon import run_daemon

    if not directory.is_dir():
        _refuse_directory(directory)
    run_daemon(directory, clock=clock, accept_risk=accept_risk, shadow=shadow)


@app.command()
def demo(
    site: SiteArgument = "desert-offgrid",
    *,
    speed: Annotated[
        float, typer.Option("--speed", min=1.0, max=600.0, help="Simulated seconds per real second.")
    ] = 144.0,
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Simulated time: 90m, 24h; 0 runs until Ctrl-C.")
    ] = "24h",
    broker: Annotated[
        str | None, typer.Option("--broker", metavar="HOST:PORT", help="Use this broker, not the embedded one.")
    ] = None,
    start: Annotated[str, typer.Option("--start", help="Local date YYYY-MM-DD, 1970 to 2200.")] = "2025-01-08",
    start_h: Annotated[float, typer.Option("--at", min=0.0, max=24.0, help="Local hour to begin at.")] = 6.0,
    faults: Annotated[
        bool, typer.Option("--faults", help="Take faults of the simulated devices over HTTP; says where.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show a site at work: simulated plant, broker and the unmodified daemon, with a live view."""
    import asyncio

    from ems.app.demo import demo_request, run_demo

    request = demo_request(
        site,
        start=start,
        start_h=start_h,
        speed=speed,
        duration=duration,
        broker=broker,
        faults=faults,
        quiet=as_json,
    )
    summary = asyncio.run(run_demo(request))
    show(summary if as_json else _digest(summary))


@app.command()
def twin(
    directory: Annotated[Path, typer.Argument(metavar="CONFIG_DIR", help="A configuration directory.")],
    *,
    clock: Annotated[str | None, typer.Option("--clock", hidden=True)] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Overrides the twin's seed.")] = None,
    faults_port: Annotated[int | None, typer.Option("--faults-port", min=0, max=65535, hidden=True)] = None,
) -> None:
    """Serve the simulated devices of a configuration, to rehearse on, until standard input ends."""
    from ems.app.twin import run_twin

    run_twin(directory, clock=clock, seed=seed, faults_port=faults_port)


@app.command(hidden=True)
def broker(*, port: Annotated[int, typer.Option("--port", min=1, max=65535)]) -> None:
    """Serve MQTT on loopback until standard input ends; for demos and tests."""
    from ems.app.broker import run_broker

    run_broker(port)


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Run one command; return its exit code. No traceback ever reaches the terminal."""
    as_json = "--json" in arguments
    try:
        code = typer.main.get_command(app).main(args=arguments, prog_name="ems", standalone_mode=False)
    except ConfigError as error:
        _report_refused(error, as_json=as_json)
        return EXIT_REFUSED
    except typer.TyperException as error:
        _report(error.format_message(), as_json=as_json)
        return EXIT_REFUSED
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except EmsError as error:
        _report(str(error), as_json=as_json)
        return EXIT_NO
    except Exception as error:  # noqa: BLE001 - the outermost frame: anything else is a fault of ours
        _report_unexpected(error, as_json=as_json)
        return EXIT_UNEXPECTED
    return code if isinstance(code, int) else 0


def _refuse_directory(directory: Path) -> NoReturn:
    """Say what a daemon needs; a shipped site is to be copied, because state is written beside its files."""
    from ems.config.shipped import shipped_site

    shipped = shipped_site(str(directory))
    allowed = "a directory with site.toml"
    if shipped is not None:
        allowed += (
            f"; a shipped site can be checked, simulated and shown: to run it, copy {shipped} and set its devices"
        )
    message = "is no directory" if directory.exists() else "this configuration directory does not exist"
    raise ConfigError(ConfigProblem(file=str(directory), message=message, allowed=allowed))


def _digest(summary: dict[str, object]) -> str:
    """Return the figures that a person asks for first."""
    energy, cost = summary["energy_kwh"], summary["cost"]
    lines = [
        f"{summary['site']}, {summary['policy']}, {summary['days']:g} days from {summary['start']}",
        f"  unserved          {energy['unserved']:>14,.1f} kWh",  # type: ignore[index]
        f"  PV used           {energy['pv_used']:>14,.0f} kWh, curtailed {energy['pv_curtailed']:,.0f}",  # type: ignore[index]
        (
            f"  gensets           {energy['genset']:>14,.0f} kWh, {summary['fuel_l']:,.0f} l, "  # type: ignore[index]
            f"{summary['genset_starts']} starts"
        ),
        f"  import            {energy['grid_import']:>14,.0f} kWh",  # type: ignore[index]
        f"  intensity         {summary['ci_operational_gco2e_per_kwh']:>14,.1f} gCO2e/kWh",
        f"  cost              {cost['total']:>14,.0f} {summary['currency']}",  # type: ignore[index]
    ]
    return "\n".join(lines)


def _report_refused(error: ConfigError, *, as_json: bool) -> None:
    print(error, file=sys.stderr)
    if as_json:
        first, *_ = error.problems
        everything = [asdict(problem) for problem in error.problems]
        print(json.dumps({"error": asdict(first), "errors": everything}))


def _report(message: str, *, as_json: bool) -> None:
    print(message, file=sys.stderr)
    if as_json:
        empty = dict.fromkeys(("file", "key", "line", "allowed", "nearest"))
        print(json.dumps({"error": {**empty, "message": message}}))


def _report_unexpected(error: Exception, *, as_json: bool) -> None:
    """Keep the traceback in a file and say where."""
    with tempfile.NamedTemporaryFile("w", prefix="ems-report-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))
    _report(f"unexpected: {type(error).__name__}: {error} (report in {file.name})", as_json=as_json)


if __name__ == "__main__":
    main()
