"""A self-contained copy of a configuration for one demo: free ports, its own state, the demo's broker."""

import random
import shutil
import socket
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import tomlkit

from ems.app.key_files import KEYS_FILE
from ems.config.build import build_wiring
from ems.config.files import ConfigFiles
from ems.config.source import read_directory
from ems.model.device import Framing

_LOOPBACK: Final = "127.0.0.1"
# below the range from which systems take the ports of outgoing connections (Linux: from 32768): a port that was
# found free could become one of those before it is listened on
_FIRST_PORT: Final = 20_000
_LAST_PORT: Final = 31_999


def copy_site(files: ConfigFiles, directory: Path, *, broker_host: str, broker_port: int, protocol: str) -> None:
    """Write the site's files, with everything that it extends, into a directory of its own."""
    tables: dict[str, dict[str, Any]] = {
        name: dict(source.table) for name, source in read_directory(files.directory).files.items()
    }
    tables["site.toml"].pop("extends", None)
    tables["devices.toml"]["link"] = _own_links(files)
    tables["devices.toml"]["broker"] = _own_brokers(files, host=broker_host, port=broker_port, protocol=protocol)
    mqtt = dict(tables["mqtt.toml"]["mqtt"])
    tables["mqtt.toml"]["mqtt"] = {**mqtt, "host": broker_host, "port": broker_port, "protocol": protocol}
    persistence = tables.setdefault("persistence.toml", {})
    persistence["state"] = {**persistence.get("state", {}), "directory": "var"}
    # a directory that goes with the demo needs no reserve on the disk
    persistence["disk"] = {**persistence.get("disk", {}), "ballast_mib": 0}
    weather = dict(tables["forecasts.toml"]["weather"])
    tables["forecasts.toml"]["weather"] = {**weather, "issued_file": "var/weather_issued.csv"}
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        (directory / name).write_text(tomlkit.dumps(table), encoding="utf-8")
    if (files.directory / KEYS_FILE).is_file():
        shutil.copy(files.directory / KEYS_FILE, directory / KEYS_FILE)
    for home in reversed(files.search):
        for inputs in ("data", "maps"):
            if (home / inputs).is_dir():
                shutil.copytree(home / inputs, directory / inputs, dirs_exist_ok=True)


def _candidates() -> Iterator[int]:
    """Yield ports for ever, from another start in every process; none comes twice before all have come."""
    count = _LAST_PORT - _FIRST_PORT + 1
    start = random.randrange(count)  # noqa: S311 - only spreads processes
    return cycle(_FIRST_PORT + (start + offset) % count for offset in range(count))


_CANDIDATES: Final = _candidates()


def free_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody uses now and that were not returned before.

    Raises:
        ConnectionError: There are not as many.
    """
    one_round = islice(_CANDIDATES, _LAST_PORT - _FIRST_PORT + 1)
    found = list(islice(filter(_is_free, one_round), count))
    if len(found) < count:
        raise ConnectionError(f"{len(found)} of {count} ports are free between {_FIRST_PORT} and {_LAST_PORT}")
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
    return True


def _own_links(files: ConfigFiles) -> list[dict[str, Any]]:
    """Return every link as a table of its own, on a free port of loopback; serial frames stay serial frames."""
    links = build_wiring(files).links
    return [
        {
            "id": link.id,
            "framing": (Framing.RTU_OVER_TCP if link.endpoint.framing.is_rtu else Framing.TCP).value,
            "host": _LOOPBACK,
            "port": port,
            "timeout_s": link.timeout_s,
            "connect_delay_s": link.connect_delay_s,
            "gap_s": link.gap_s,
            "reconnect_min_s": link.reconnect_min_s,
            "reconnect_max_s": link.reconnect_max_s,
        }
        for link, port in zip(links, free_ports(len(links)), strict=True)
    ]


def _own_brokers(files: ConfigFiles, *, host: str, port: int, protocol: str) -> list[dict[str, Any]]:
    """Return every broker of devices as a table of its own: the demo's broker in its place, without passwords."""
    return [
        {
            "id": broker.id,
            "host": host,
            "port": port,
            "protocol": protocol,
            "client_id": "ems-demo-devices",
            "keepalive_s": broker.keepalive_s,
            "timeout_s": broker.timeout_s,
            "reconnect_min_s": broker.reconnect_min_s,
            "reconnect_max_s": broker.reconnect_max_s,
            "max_queued": broker.max_queued,
        }
        for broker in build_wiring(files).brokers
    ]
