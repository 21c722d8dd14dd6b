from pathlib import Path

import pytest

from tests.studies.runs import Run, run_of


@pytest.fixture(scope="session")
def planned_night(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return three hours of the edge node under the optimiser."""
    return run_of("edge-node", Path(tmp_path_factory.mktemp("edge")), hours=3.0)
