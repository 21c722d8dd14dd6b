"""The README's table of results shows the figures of docs/results.md."""

from tests.docs.pages import section, text_of


def _rows(text: str) -> dict[str, tuple[str, ...]]:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")
    ]
    return {row[0].lower(): tuple(row[1:]) for row in cells}


def test_every_week_of_the_readme_has_the_figures_of_the_results() -> None:
    weeks = {name: cells for name, cells in _rows(section("README.md", "Results")).items() if ", from " in name}
    results = _rows(text_of("docs/results.md"))
    assert len(weeks) >= 4
    for name, (cost, co2, starts, unserved) in weeks.items():
        cost_found, co2_found, _, starts_found, unserved_found = results[name]
        assert cost == cost_found, name
        assert co2 in (co2_found, "none emitted"), name
        assert starts in (starts_found, "none"), name
        assert float(unserved) == float(unserved_found.removesuffix(" kWh")), name
