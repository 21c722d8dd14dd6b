"""Planning grid, periods, input files and the twin."""

from collections.abc import Iterator

from ems.config.crosscheck.finding import SURVIVED_PERIODS, Finding
from ems.config.files import ConfigFiles
from ems.config.schema.control import ControlFile
from ems.config.schema.persistence import PersistenceFile
from ems.config.schema.twin import TwinFile
from ems.config.source import KeyPath


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions in periods, input files and the twin."""
    yield from _planning(files.control)
    yield from _persistence(files.persistence)
    yield from _input_files(files)
    if files.twin is not None:
        yield from _twin(files, files.twin)


def _planning(control: ControlFile) -> Iterator[Finding]:
    planning = control.planning
    if planning.horizon_h <= planning.fine_until_h:
        yield Finding(
            file="control.toml",
            path=("planning", "horizon_h"),
            message="the horizon ends before the coarse steps begin",
            allowed=f"above fine_until_h ({planning.fine_until_h:g})",
        )
    if 1440 % planning.fine_min or planning.coarse_min % planning.fine_min or 1440 % planning.coarse_min:
        yield Finding(
            file="control.toml",
            path=("planning", "fine_min"),
            message="fine steps must divide coarse steps, and both the day",
            allowed="e.g. 15 and 60",
        )
    if control.control.setpoint_valid_s < SURVIVED_PERIODS * control.control.heartbeat_s:
        yield Finding(
            file="control.toml",
            path=("control", "setpoint_valid_s"),
            message="setpoints would expire before two renewals may be lost",
            allowed=f"at least {SURVIVED_PERIODS * control.control.heartbeat_s:g} (3 x heartbeat_s)",
        )


def _persistence(persistence: PersistenceFile) -> Iterator[Finding]:
    if 60 % persistence.ledger.interval_min:
        yield Finding(
            file="persistence.toml",
            path=("ledger", "interval_min"),
            message="an accounting interval must divide the hour",
            allowed="1, 5, 10, 15, 20, 30 or 60",
        )


def _input_files(files: ConfigFiles) -> Iterator[Finding]:
    named: list[tuple[str, KeyPath, str | None]] = [
        ("forecasts.toml", ("weather", "typical_year_file"), files.forecasts.weather.typical_year_file),
        ("forecasts.toml", ("weather", "temperature_file"), files.forecasts.weather.temperature_file),
    ]
    if files.forecasts.carbon is not None:
        named.append(("forecasts.toml", ("carbon", "file"), files.forecasts.carbon.file))
    if files.twin is not None:
        named += [
            ("twin.toml", ("weather", "file"), files.twin.weather.file),
            ("twin.toml", ("weather", "temperature_file"), files.twin.weather.temperature_file),
        ]
    for file, path, relative in named:
        if relative is None:
            continue
        if relative.startswith(("/", "~")) or ".." in relative.split("/"):
            yield Finding(
                file=file,
                path=path,
                message="a configuration directory is self-contained",
                allowed="a path inside the directory",
            )
        elif not files.resolve(relative).is_file():
            yield Finding(file=file, path=path, message=f"there is no file '{relative}' in the directory")


def _twin(files: ConfigFiles, twin: TwinFile) -> Iterator[Finding]:
    for name, limits in files.limits.battery.items():
        if not limits.soc_tech_min_pct <= twin.twin.soc_start_pct <= limits.soc_max_pct:
            yield Finding(
                file="twin.toml",
                path=("twin", "soc_start_pct"),
                message=f"outside the SoC window of pool '{name}'",
                allowed=f"{limits.soc_tech_min_pct:g} to {limits.soc_max_pct:g}",
            )
    tank = files.assets.fuel_tank
    if tank is not None and twin.twin.tank_start_l > tank.capacity_l:
        yield Finding(
            file="twin.toml",
            path=("twin", "tank_start_l"),
            message="more than the tank holds",
            allowed=f"at most {tank.capacity_l:g}",
        )
    if twin.outages is not None and not (twin.outages.shortest_h <= twin.outages.mean_h <= twin.outages.longest_h):
        yield Finding(
            file="twin.toml",
            path=("outages", "mean_h"),
            message="the mean lies outside shortest_h and longest_h",
            allowed=f"{twin.outages.shortest_h:g} to {twin.outages.longest_h:g}",
        )
