"""Files that no person would write: whatever they hold, they are refused with a reason."""

from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ems.config.files import SCHEMAS
from ems.config.keys import Key, file_key
from ems.errors import ConfigError
from tests.config.directories import FULL, copy_of, loaded_or_refused
from tests.config.toml_text import toml_text

CASES = settings(
    max_examples=5000 if FULL else 60,
    deadline=None,
    derandomize=not FULL,
    suppress_health_check=[HealthCheck.too_slow],
)


def _names(key: Key) -> set[str]:
    names = set(key.children)
    for child in (*key.children.values(), *filter(None, [key.entry])):
        names |= _names(child)
    return names


FILE_NAMES = st.sampled_from(sorted(SCHEMAS))
KEYS = st.sampled_from(sorted(set().union(*(_names(file_key(name)) for name in SCHEMAS)))) | st.text(max_size=8)
SCALARS = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.dates()
    | st.datetimes(timezones=st.just(UTC))
)
TABLES = st.dictionaries(
    KEYS,
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
    ),
    max_size=5,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site of which every example breaks one file and mends it again."""
    return copy_of("weak-grid-campus", tmp_path_factory.mktemp("random") / "campus")


@CASES
@given(name=FILE_NAMES, content=st.binary(max_size=200))
def test_any_bytes_are_loaded_or_refused(directory: Path, *, name: str, content: bytes) -> None:
    _load_or_be_refused(directory / name, content)


@CASES
@given(name=FILE_NAMES, content=st.text("[]{}=.,#\"'\\\n abc10-", max_size=60))
def test_text_that_looks_like_toml_is_loaded_or_refused(directory: Path, *, name: str, content: str) -> None:
    _load_or_be_refused(directory / name, content.encode())


@CASES
@given(name=FILE_NAMES, table=TABLES)
def test_any_table_is_loaded_or_refused(directory: Path, *, name: str, table: dict[str, object]) -> None:
    _load_or_be_refused(directory / name, toml_text(table).encode())


@CASES
@given(name=FILE_NAMES, table=TABLES)
def test_any_table_beside_good_ones_is_loaded_or_refused(
    directory: Path, *, name: str, table: dict[str, object]
) -> None:
    _load_or_be_refused(directory / name, toml_text(table).encode() + (directory / name).read_bytes())


def _load_or_be_refused(file: Path, content: bytes) -> None:
    good = file.read_bytes()
    file.write_bytes(content)
    outcome = loaded_or_refused(file.parent)
    file.write_bytes(good)
    if isinstance(outcome, ConfigError):
        assert outcome.problems
        assert all(problem.sentence() for problem in outcome.problems)
