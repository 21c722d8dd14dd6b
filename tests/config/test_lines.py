import pytest

from ems.config.lines import KeyLines
from ems.config.notation import KeyPath

TEXT = """\
# a comment with a bracket [
extends = "a = [ # no comment"  # a comment
dotted.key = 1
"quoted.key" = 2

[pool.one]  # a comment with ]]
table = [
  { power_kw = 1.0, name = "]" },  # ]
  { power_kw = 2.0 },
]
text = \"\"\"
[not.a.header]
not_a_key = 1
\"\"\"
last_kw = 3.0

[[season]]
prices = { low = 1.0, high = 2.0 }
[[season.window]]
start_h = 0.0
[[season.window]]
start_h = 1.0
[season.extra]
x = 1

[[ "season" ]]
start_h = 2.0
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("extends",), 2),
        (("dotted", "key"), 3),
        (("quoted.key",), 4),
        (("pool",), 6),
        (("pool", "one"), 6),
        (("pool", "one", "table", 1, "power_kw"), 7),
        (("pool", "one", "text"), 11),
        (("pool", "one", "last_kw"), 15),
        (("pool", "one", "missing_kw"), 6),
        (("season",), 17),
        (("season", 0, "prices", "high"), 18),
        (("season", 0, "window", 0, "start_h"), 20),
        (("season", 0, "window", 1), 21),
        (("season", 0, "window", 1, "start_h"), 22),
        (("season", 0, "extra", "x"), 24),
        (("season", 1), 26),
        (("season", 1, "start_h"), 27),
        (("not", "a", "header"), None),
        (("nothing",), None),
    ],
)
def test_a_key_is_found_on_its_line(path: KeyPath, line: int | None) -> None:
    assert KeyLines(TEXT).line_of(path) == line


def test_an_empty_text_has_no_lines() -> None:
    assert KeyLines("").line_of(("a",)) is None
