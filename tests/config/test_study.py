"""Study files are refused like the files of a site: file, line, key, what is wrong, what is allowed."""

from pathlib import Path

import pytest

from ems.config.shipped import shipped_site
from ems.config.study import read_pareto
from ems.errors import ConfigError, ConfigProblem

DAY = '[[day]]\nsite = "edge-node"\nstart = 2026-01-08\nco2_prices_per_t = [0, 75]\n'


def refusal(tmp_path: Path, text: str) -> tuple[ConfigProblem, ...]:
    file = tmp_path / "study.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_pareto(file)
    assert all(problem.file == str(file) for problem in refused.value.problems)
    return refused.value.problems


def test_a_good_study_is_read(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    of_a_problem = '[[day]]\nproblem = "p.json"\nco2_prices_per_t = [1, 2.5]\ngap_frac = 0.0\n'
    file.write_text(DAY + of_a_problem, encoding="utf-8")

    first, second = read_pareto(file).day

    assert (first.site, str(first.start), first.co2_prices_per_t) == ("edge-node", "2026-01-08", [0.0, 75.0])
    assert (second.problem, second.gap_frac) == ("p.json", 0.0)


@pytest.mark.parametrize(
    ("text", "key", "line", "message", "allowed"),
    [
        (DAY.replace("start", "strat"), "day[0].strat", 3, "unknown key", "co2_prices_per_t, gap_frac, problem"),
        (DAY.replace("[0, 75]", "[0]"), "day[0].co2_prices_per_t", 4, "at least 2 entries", "a list of at least 2"),
        (DAY.replace("75", "-75"), "day[0].co2_prices_per_t[1]", 4, "at least 0", "currency per t"),
        (DAY.replace("75", '"75"'), "day[0].co2_prices_per_t[1]", 4, "must be a number", "currency per t"),
        (DAY.replace("75", "0"), "day[0].co2_prices_per_t", 4, "twice", "different prices"),
        (DAY.replace("2026-01-08", '"2026-01-08"'), "day[0].start", 3, "a date without quotes", "2026-05-01"),
        (DAY.replace("2026", "1826"), "day[0].start", 3, "1970-01-01", "a date"),
        (DAY.replace("start = 2026-01-08\n", ""), "day[0].start", 1, "date", "`site` with `start`"),
        (DAY + 'problem = "p.json"\n', "day[0].problem", 5, "not both", "`site` with `start`, or `problem`"),
        ("[[day]]\nco2_prices_per_t = [0, 75]\n", "day[0].site", 1, "missing", "`site` with `start`, or `problem`"),
        ("", "day", None, "required", "a list"),
        ("day = []\n", "day", 1, "at least 1 entries", "a list of at least 1"),
        ("[[dya]]\n", "dya", 1, "unknown key", "day"),
    ],
)
def test_a_bad_study_is_refused_where_it_is_bad(
    tmp_path: Path, *, text: str, key: str, line: int | None, message: str, allowed: str
) -> None:
    problems = refusal(tmp_path, text)

    found = next(problem for problem in problems if problem.key == key)
    assert (found.line, found.allowed is not None) == (line, True)
    assert message in found.message
    assert allowed in str(found.allowed)


def test_what_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    (problem,) = refusal(tmp_path, "[[day]\n")

    assert problem.line == 1
    assert "not valid TOML" in problem.message


def test_a_study_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a file that can be read"):
        read_pareto(tmp_path / "nowhere.toml")


def test_the_study_of_the_pages_names_shipped_sites() -> None:
    page_study = Path(__file__).resolve().parents[2] / "docs" / "studies" / "pareto.toml"

    assert all(day.site is not None and shipped_site(day.site) for day in read_pareto(page_study).day)
