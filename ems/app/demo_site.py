"""A self-contained copy of a configuration for one demo: free ports, its own state, the demo's broker."""

import shutil
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tomlkit

from ems.config.build import build_wiring
from ems.config.files import ConfigFiles
from ems.config.source import read_directory

# numbers of free ports are taken together, so that no two links get the same
_LOOPBACK = "127.0.0.1"


def copy_site(files: ConfigFiles, directory: Path, *, broker_host: str, broker_port: int, protocol: str) -> None:
    """Write the site's files, with everything that it extends, into a directory of its own."""
    tables: dict[str, dict[str, Any]] = {
        name: dict(source.table) for name, source in read_directory(files.directory).files.items()
    }
    tables["site.toml"].pop("extends", None)
    tables["devices.toml"]["link"] = _own_links(files)
    mqtt = dict(tables["mqtt.toml"]["mqtt"])
    tables["mqtt.toml"]["mqtt"] = {**mqtt, "host": broker_host, "port": broker_port, "protocol": protocol}
    persistence = tables.setdefault("persistence.toml", {})
    persistence["state"] = {**persistence.get("state", {}), "directory": "var"}
    weather = dict(tables["forecasts.toml"]["weather"])
    tables["forecasts.toml"]["weather"] = {**weather, "issued_file": "var/weather_issued.csv"}
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        (directory / name).write_text(tomlkit.dumps(table), encoding="utf-8")
    for home in reversed(files.search):
        for inputs in ("data", "maps"):
            if (home / inputs).is_dir():
                shutil.copytree(home / inputs, directory / inputs, dirs_exist_ok=True)


def free_ports(count: int) -> list[int]:
    """Return ports on loopback that nobody uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind((_LOOPBACK, 0))
        return [item.getsockname()[1] for item in sockets]


def _own_links(files: ConfigFiles) -> list[dict[str, Any]]:
    """Return every link as a table of its own, on a free port of loopback."""
    links = build_wiring(files).links
    return [
        {
            "id": link.id,
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
