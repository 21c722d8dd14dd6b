"""Plants of shipped sites, with their errors and chances as configured or switched off."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from drivers.sim.plant import Plant
from ems.config.build import build_site, build_twin, build_wiring
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.model.device import DeviceSpec
from ems.model.twin import TwinSpec

# eleven in the morning in the desert
START = datetime(2026, 3, 10, 18, 0, tzinfo=UTC)


@cache
def files_of(site: str) -> ConfigFiles:
    """Return the configuration of a shipped site."""
    return load_files(site_directory(site))


def spec_of(site: str) -> TwinSpec:
    """Return the site's simulation settings."""
    twin = files_of(site).twin
    assert twin is not None
    return build_twin(twin)


def exact(spec: TwinSpec) -> TwinSpec:
    """Return the settings with perfect instruments and starts that never fail."""
    errors = replace(spec.errors, gain_frac=0.0, noise_frac=0.0, soc_error_pct=0.0)
    return replace(spec, errors=errors, start_failure_frac=0.0)


def plant_of(site: str, *, seed: int = 7, start: datetime = START, spec: TwinSpec | None = None) -> Plant:
    """Return a plant at its start."""
    files = files_of(site)
    return Plant(build_site(files), spec or spec_of(site), start=start, search=files.search, seed=seed)


def device_specs(site: str) -> tuple[DeviceSpec, ...]:
    """Return the site's devices."""
    return build_wiring(files_of(site)).devices
