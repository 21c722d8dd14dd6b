"""The files of one configuration directory: which there are, and their validated content."""

import inspect
import sys
from dataclasses import dataclass
from pathlib import Path

from ems.config.schema.assets import AssetsFile
from ems.config.schema.control import ControlFile
from ems.config.schema.devices import DevicesFile
from ems.config.schema.fields import Table
from ems.config.schema.forecasts import ForecastsFile
from ems.config.schema.limits import LimitsFile
from ems.config.schema.mqtt import MqttFile
from ems.config.schema.persistence import PersistenceFile
from ems.config.schema.report import ReportFile
from ems.config.schema.site import SiteFile
from ems.config.schema.tariffs import TariffsFile
from ems.config.schema.twin import TwinFile
from ems.errors import ConfigProblem

SCHEMAS: dict[str, type[Table]] = {
    "site.toml": SiteFile,
    "assets.toml": AssetsFile,
    "limits.toml": LimitsFile,
    "tariffs.toml": TariffsFile,
    "control.toml": ControlFile,
    "devices.toml": DevicesFile,
    "forecasts.toml": ForecastsFile,
    "mqtt.toml": MqttFile,
    "persistence.toml": PersistenceFile,
    "report.toml": ReportFile,
    "twin.toml": TwinFile,
}
# every key of control, persistence and report has a default; only simulations read twin
OPTIONAL_FILES = frozenset({"control.toml", "persistence.toml", "report.toml", "twin.toml"})


def introduction(file_name: str) -> str:
    """Return what the module of a file's schema says about the file."""
    text = inspect.cleandoc(sys.modules[SCHEMAS[file_name].__module__].__doc__ or "")
    sentence = text.removeprefix(f"{file_name}: ")
    return sentence[:1].upper() + sentence[1:]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFiles:
    """All tables of a site; `twin` is None for a site that has no simulation settings."""

    directory: Path
    # where relative paths are looked up: the directory, then the sites that it extends
    search: tuple[Path, ...]
    site: SiteFile
    assets: AssetsFile
    limits: LimitsFile
    tariffs: TariffsFile
    control: ControlFile
    devices: DevicesFile
    forecasts: ForecastsFile
    mqtt: MqttFile
    persistence: PersistenceFile
    report: ReportFile
    twin: TwinFile | None
    # values that are valid and dangerous: somebody has to accept them
    risks: tuple[ConfigProblem, ...] = ()

    def resolve(self, relative: str) -> Path:
        """Return the file that a relative path of the configuration means.

        It counts from the directory; a file that only the extended site has is taken from there.
        """
        for home in self.search:
            if (home / relative).exists():
                return home / relative
        return self.directory / relative
