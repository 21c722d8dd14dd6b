"""Planning grid, periods, input files and the twin."""

from collections.abc import Iterator

from ems.config.crosscheck.finding import SURVIVED_PERIODS, Finding
from ems.config.files import ConfigFiles
from ems.config.notation import KeyPath
from ems.config.schema.control import ControlTable, PlanningTable
from ems.config.schema.twin import TwinFile


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions in periods, input files and the twin."""
    yield from _planning(files.control.planning)
    yield from _control(files.control.control)
    yield from _records(files)
    yield from _input_files(files)
    yield from _certificates(files)
    if files.twin is not None:
        yield from _twin(files, files.twin)


def _planning(planning: PlanningTable) -> Iterator[Finding]:
    if planning.horizon_h <= planning.fine_until_h:
        yield Finding(
            file="control.toml",
            path=("planning", "horizon_h"),
            message="the horizon ends before the coarse steps begin",
            allowed=f"above fine_until_h ({planning.fine_until_h:g} hours)",
        )
    if 1440 % planning.fine_min or planning.coarse_min % planning.fine_min or 1440 % planning.coarse_min:
        yield Finding(
            file="control.toml",
            path=("planning", "fine_min"),
            message="fine steps must divide coarse steps, and both the day",
            allowed="minutes such as fine_min = 15 with coarse_min = 60",
        )
    if planning.time_limit_s >= planning.period_s:
        yield Finding(
            file="control.toml",
            path=("planning", "time_limit_s"),
            message="a solve may take longer than the time until the next plan",
            allowed=f"below period_s ({planning.period_s:g} seconds)",
        )


def _control(control: ControlTable) -> Iterator[Finding]:
    shortest_s = SURVIVED_PERIODS * control.heartbeat_s
    if control.setpoint_valid_s < shortest_s:
        yield Finding(
            file="control.toml",
            path=("control", "setpoint_valid_s"),
            message="setpoints would expire before two renewals may be lost",
            allowed=f"at least {shortest_s:g} seconds ({SURVIVED_PERIODS} x heartbeat_s)",
        )


def _records(files: ConfigFiles) -> Iterator[Finding]:
    if 60 % files.persistence.ledger.interval_min:
        yield Finding(
            file="persistence.toml",
            path=("ledger", "interval_min"),
            message="an accounting interval must divide the hour",
            allowed="minutes that divide 60, such as 15 or 30",
        )
    load = files.forecasts.load
    if load.history_h < load.season_h:
        yield Finding(
            file="forecasts.toml",
            path=("load", "history_h"),
            message="the record is shorter than the pattern that is looked for in it",
            allowed=f"at least season_h ({load.season_h:g} hours)",
        )


def _input_files(files: ConfigFiles) -> Iterator[Finding]:
    for file, path, relative in _named_files(files):
        if relative is not None and not files.resolve(relative).is_file():
            yield Finding(
                file=file,
                path=path,
                message=f"there is no file '{relative}' in the configuration directory",
                allowed="a file that exists",
            )


def _named_files(files: ConfigFiles) -> Iterator[tuple[str, KeyPath, str | None]]:
    """Yield every file that must exist before a start, with the key that names it."""
    weather, carbon, mqtt = files.forecasts.weather, files.forecasts.carbon, files.mqtt.mqtt
    yield "forecasts.toml", ("weather", "typical_year_file"), weather.typical_year_file
    yield "forecasts.toml", ("weather", "temperature_file"), weather.temperature_file
    if carbon is not None:
        yield "forecasts.toml", ("carbon", "file"), carbon.file
    yield "persistence.toml", ("postgres", "password_file"), files.persistence.postgres.password_file
    yield "persistence.toml", ("postgres", "ca_file"), files.persistence.postgres.ca_file
    yield "mqtt.toml", ("mqtt", "password_file"), mqtt.password_file
    yield "mqtt.toml", ("mqtt", "ca_file"), mqtt.ca_file
    yield "mqtt.toml", ("mqtt", "cert_file"), mqtt.cert_file
    yield "mqtt.toml", ("mqtt", "key_file"), mqtt.key_file
    if files.twin is not None:
        yield "twin.toml", ("weather", "file"), files.twin.weather.file
        yield "twin.toml", ("weather", "temperature_file"), files.twin.weather.temperature_file


def _certificates(files: ConfigFiles) -> Iterator[Finding]:
    mqtt = files.mqtt.mqtt
    for key, value, other, other_value in (
        ("cert_file", mqtt.cert_file, "key_file", mqtt.key_file),
        ("key_file", mqtt.key_file, "cert_file", mqtt.cert_file),
        ("cert_file", mqtt.cert_file, "ca_file", mqtt.ca_file),
    ):
        if value is not None and other_value is None:
            yield Finding(
                file="mqtt.toml",
                path=("mqtt", key),
                message=f"has no use without {other}",
                allowed=f"{key} together with {other}",
            )


def _twin(files: ConfigFiles, twin: TwinFile) -> Iterator[Finding]:
    for name, limits in files.limits.battery.items():
        if not limits.soc_tech_min_pct <= twin.twin.soc_start_pct <= limits.soc_max_pct:
            yield Finding(
                file="twin.toml",
                path=("twin", "soc_start_pct"),
                message=f"outside the SoC window of pool '{name}'",
                allowed=f"{limits.soc_tech_min_pct:g} to {limits.soc_max_pct:g} %",
            )
    tank = files.assets.fuel_tank
    if tank is not None and twin.twin.tank_start_l > tank.capacity_l:
        yield Finding(
            file="twin.toml",
            path=("twin", "tank_start_l"),
            message="more than the tank holds",
            allowed=f"at most {tank.capacity_l:g} litres",
        )
    if twin.outages is not None and not (twin.outages.shortest_h <= twin.outages.mean_h <= twin.outages.longest_h):
        yield Finding(
            file="twin.toml",
            path=("outages", "mean_h"),
            message="the mean lies outside shortest_h and longest_h",
            allowed=f"{twin.outages.shortest_h:g} to {twin.outages.longest_h:g} hours",
        )
