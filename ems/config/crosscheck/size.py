"""Numbers of assets and devices that no site has: they are refused before anything counts them out."""

from collections.abc import Iterator
from typing import Final

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles

# ten times the devices of the largest plants known
MOST: Final = 10_000


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield every kind of asset or device of which the configuration has too many."""
    assets, devices = files.assets, files.devices
    pools = assets.battery.values()
    for file, key, count in (
        ("assets.toml", "battery", sum(pool.n_blocks * (1 + pool.containers_per_block) for pool in pools)),
        ("assets.toml", "genset", sum(genset.n_units for genset in assets.genset.values())),
        ("assets.toml", "pv", sum(plant.n_blocks for plant in assets.pv.values())),
        ("devices.toml", "link", sum(link.count for link in devices.link)),
        ("devices.toml", "device", sum(device.count for device in devices.device)),
    ):
        if count > MOST:
            yield Finding(
                file=file,
                path=(key,),
                message=f"{count} of them are more than a site can have",
                allowed=f"at most {MOST} in all",
            )
