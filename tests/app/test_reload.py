import asyncio
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from ems.app.daemon import _Place, _Reloader
from ems.config.loader import load_files
from ems.config.shipped import site_directory
from ems.runtime.daemon import Daemon, Ending
from ems.runtime.notify import SystemdNotifier


class RunningDaemon:
    """Notes what it is asked to do."""

    def __init__(self) -> None:
        self.endings: list[Ending] = []

    def end(self, ending: Ending) -> None:
        self.endings.append(ending)


class Notifier:
    """Notes what systemd would be told."""

    def __init__(self) -> None:
        self.n_reloads = 0

    def reloading(self) -> None:
        self.n_reloads += 1


def reload_with(directory: Path) -> tuple[list[Ending], int]:
    return asyncio.run(_reload_with(directory))


async def _reload_with(directory: Path) -> tuple[list[Ending], int]:
    daemon, notifier = RunningDaemon(), Notifier()
    present = replace(load_files(site_directory("edge-node")), directory=directory)
    place = _Place(directory, accept_risk=False)
    reloader = _Reloader(place, cast("Daemon", daemon), cast("SystemdNotifier", notifier), present=present)
    reloader.ask()
    # a second signal during the check asks for nothing more
    reloader.ask()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others)
    assert (reloader.fresh is not None) == (daemon.endings == [Ending.RELOAD])
    return daemon.endings, notifier.n_reloads


def edge_node(tmp_path: Path, **changes: tuple[str, str]) -> Path:
    """Return a copy of the smallest site with texts of its files replaced."""
    for file in site_directory("edge-node").glob("*.toml"):
        text = file.read_text(encoding="utf-8")
        before, after = changes.get(file.stem, ("", ""))
        assert before in text
        (tmp_path / file.name).write_text(text.replace(before, after) if before else text, encoding="utf-8")
    return tmp_path


def test_a_valid_configuration_is_taken(tmp_path: Path) -> None:
    directory = edge_node(tmp_path)

    endings, n_reloads = reload_with(directory)

    assert (endings, n_reloads) == ([Ending.RELOAD], 1)


@pytest.mark.parametrize(
    "change",
    [
        ('driver = "battery.pcs"', 'driver = "battery.pcz"'),
        ('map = "generic-pcs"', 'map = "generic-pcz"'),
        ("watchdog_s = 10.0", "wachdog_s = 10.0"),
    ],
)
def test_what_the_start_would_refuse_leaves_the_daemon_running(*, change: tuple[str, str], tmp_path: Path) -> None:
    directory = edge_node(tmp_path, devices=change)

    endings, n_reloads = reload_with(directory)

    assert (endings, n_reloads) == ([], 0)


def test_a_password_file_that_is_missing_leaves_the_daemon_running(tmp_path: Path) -> None:
    directory = edge_node(tmp_path)
    mqtt = '[mqtt]\nhost = "127.0.0.1"\nusername = "ems"\npassword_file = "secrets/mqtt.txt"\n'
    (directory / "mqtt.toml").write_text(mqtt, encoding="utf-8")

    endings, n_reloads = reload_with(directory)

    assert (endings, n_reloads) == ([], 0)


def test_a_state_directory_is_not_moved_under_a_running_daemon(tmp_path: Path) -> None:
    directory = edge_node(tmp_path)
    (directory / "persistence.toml").write_text('[state]\ndirectory = "elsewhere"\n', encoding="utf-8")

    assert reload_with(directory) == ([], 0)
