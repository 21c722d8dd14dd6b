"""The page of the drivers' benchmark: its table is that of the last measurement, its text that of its generator."""

from docs.benchmark_drivers import INTRODUCTION, NOTES, PAGE, page

ROWS = {
    "core_share": {"what": "share of one core", "value": 0.19753, "unit": "", "target": "<= 0.35", "met": True},
    "setpoint": {"what": "decision to wire", "value": 88.385, "unit": "ms", "target": "<= 50", "met": False},
    "heartbeats": {"what": "heartbeats", "value": 5100, "unit": "", "target": None, "met": None},
    "load_before": {"what": "load of the machine before", "value": 9.81, "unit": "", "target": None, "met": None},
}


def test_every_figure_stands_in_the_table_with_its_target() -> None:
    lines = list(page(ROWS))

    assert "| share of one core | 0.198 | <= 0.35 | yes |" in lines
    assert "| decision to wire | 88.4 ms | <= 50 | no |" in lines
    assert "| heartbeats | 5,100 |  |  |" in lines
    assert any(line.startswith("Load of the machine over a minute: 9.8 before;") for line in lines)


def test_the_page_has_the_text_of_its_generator() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert text.startswith(INTRODUCTION)
    assert text.rstrip("\n").endswith(NOTES.rstrip("\n"))
