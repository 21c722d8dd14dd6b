"""The small site with its storage and meters behind a broker, written as a site engineer would."""

from pathlib import Path
from typing import Final

from tests.config.directories import copy_of

_BROKER: Final = """
[[broker]]
id = "yard"
host = "127.0.0.1"
port = 1883
keepalive_s = 5
"""
# what stands in devices.toml of the site, and what takes its place
_CHANGES: Final = (
    ('driver = "battery.pcs"\nmap = "generic-pcs"', 'driver = "mqtt.pcs"\nmap = "mqtt-json-battery"'),
    ('driver = "battery.bms"\nmap = "generic-bms"', 'driver = "mqtt.bms"\nmap = "mqtt-json-bms"'),
    ('driver = "meter.load"\nmap = "generic-meter"', 'driver = "mqtt.load_meter"\nmap = "mqtt-json-meter"'),
)
_BESS_LINK: Final = '[[link]]\nid = "bess{n:02}"\nhost = "127.0.0.1"\nport = 19101\n'


def write_mqtt_site(directory: Path) -> Path:
    """Write the site into a directory and return it."""
    home = copy_of("edge-node", directory)
    devices = home / "devices.toml"
    head, *tables = devices.read_text(encoding="utf-8").replace(_BESS_LINK, "").split("[[device]]")
    devices.write_text("[[device]]".join((head + _BROKER, *map(_moved, tables))), encoding="utf-8")
    return home


def _moved(table: str) -> str:
    """Return a device's table, behind the broker if it is one of those."""
    for old, new in _CHANGES:
        if old in table:
            kept = [line for line in table.replace(old, new).splitlines() if not line.startswith(("link =", "unit ="))]
            # a device is called in its topics as in the configuration
            name = next(line.partition("=")[2].strip().strip('"') for line in kept if line.startswith("id ="))
            return "\n".join(("", *(line for line in kept if line), 'link = "yard"', f'name = "yard/{name}"', "", ""))
    return table
