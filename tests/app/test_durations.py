import pytest

from ems.app.durations import parse_duration_s
from ems.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "duration_s"), [("90s", 90.0), ("90m", 5400.0), ("24h", 86400.0), ("1.5d", 129600.0), (" 2 h ", 7200.0)]
)
def test_durations_are_a_number_and_a_unit(text: str, duration_s: float) -> None:
    assert parse_duration_s(text, option="--for") == duration_s


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "0h", "1 week", "1h30m", "nan h"])
def test_everything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_duration_s(text, option="--for")

    (problem,) = refused.value.problems
    assert problem.file == "--for"
    assert "90m" in (problem.allowed or "")
