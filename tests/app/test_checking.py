"""What `ems check` and a reload judge is what is used afterwards."""

from pathlib import Path

import pytest

from ems.app import checking
from ems.config.files import ConfigFiles
from ems.config.loader import load_files
from tests.config.directories import copy_of, replace


def test_the_files_that_were_judged_are_the_ones_that_come_back_whatever_is_written_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = copy_of("edge-node", tmp_path / "site")
    read: list[ConfigFiles] = []

    def read_and_spoil(directory: Path) -> ConfigFiles:
        read.append(load_files(directory))
        replace(directory / "devices.toml", 'driver = "battery.pcs"', 'driver = "battery.psc"')
        return read[-1]

    monkeypatch.setattr(checking, "load_files", read_and_spoil)

    files = checking.checked_files(site)

    assert read == [files]
