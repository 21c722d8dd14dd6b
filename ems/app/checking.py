"""`ems check`: everything about a configuration that can be judged offline."""

from ems.app.devices import build_fleet, check_own_drivers
from ems.config.build import build_site, build_wiring
from ems.config.loader import load_files
from ems.config.shipped import shipped_sites, site_directory
from ems.gateway.broker import broker_settings
from ems.runtime.clock import SystemClock
from ems.runtime.inputs import load_climate

__all__ = ["checked_site", "shipped_sites"]


def checked_site(site: str) -> dict[str, object]:
    """Load a configuration completely, its input files included; return what it describes.

    Raises:
        ConfigError: Anything is wrong with it.
    """
    files = load_files(site_directory(site))
    built = build_site(files)
    load_climate(files)
    # password and certificates
    broker_settings(files, refresh_s=0.0)
    check_own_drivers()
    wiring = build_wiring(files)
    build_fleet(built, wiring, SystemClock(), directories=files.search)
    return {"site": built.id, "name": built.name, "devices": len(wiring.devices), "links": len(wiring.links)}
