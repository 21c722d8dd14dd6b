"""`ems check`: everything about a configuration that can be judged offline."""

from pathlib import Path

from ems.app.devices import build_fleet, check_own_drivers
from ems.config.build import build_site, build_wiring
from ems.config.files import ConfigFiles
from ems.config.loader import load_files, refuse_risks
from ems.config.shipped import shipped_sites, site_directory
from ems.gateway.broker import broker_settings
from ems.runtime.clock import SystemClock
from ems.runtime.inputs import load_climate

__all__ = ["checked_files", "checked_site", "shipped_sites"]


def checked_site(site: str, *, accept_risk: bool = False) -> dict[str, object]:
    """Load a configuration completely, its input files included; return what it describes.

    Raises:
        ConfigError: Anything is wrong with it, or it has dangerous values that are not accepted.
    """
    files = checked_files(site_directory(site), accept_risk=accept_risk)
    built, wiring = build_site(files), build_wiring(files)
    n_links = len(wiring.links) + len(wiring.brokers)
    return {
        "site": built.id,
        "name": built.name,
        "devices": len(wiring.devices),
        "links": n_links,
        "risks": [risk.sentence() for risk in files.risks],
    }


def checked_files(directory: Path, *, accept_risk: bool = False) -> ConfigFiles:
    """Return the files of a configuration as they were judged: nothing is read twice.

    Raises:
        ConfigError: Anything is wrong with them or with the input files that they name, or a dangerous value in them
            is not accepted.
    """
    files = load_files(directory)
    refuse_risks(files, accepted=accept_risk)
    built = build_site(files)
    load_climate(files)
    # password and certificates
    broker_settings(files, refresh_s=0.0)
    check_own_drivers()
    build_fleet(built, build_wiring(files), SystemClock(), directories=files.search)
    return files
