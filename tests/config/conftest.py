from pathlib import Path

import pytest

from tests.config.directories import copy_of


@pytest.fixture
def campus(tmp_path: Path) -> Path:
    """Return a copy of the shipped site that has everything: grid, tariff, gensets, storage, PV, twin."""
    return copy_of("weak-grid-campus", tmp_path / "campus")
