from datetime import UTC, datetime

import pytest

# sunset on a winter day in the desert: PV fades, storage takes over
DUSK = datetime(2025, 1, 9, 0, 0, tzinfo=UTC)


@pytest.fixture
def dusk() -> datetime:
    return DUSK
