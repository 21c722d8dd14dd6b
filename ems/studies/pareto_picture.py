"""Draws cost against emissions, a panel for each day. matplotlib comes with the extra `studies` only."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ems.errors import ConfigError, ConfigProblem
from ems.model.units import KG_PER_T
from ems.studies.pareto import DayTradeOff, TradeOffPoint

_FRONT, _DOMINATED = "#33658a", "#c1666b"
_PANEL_INCH = (5.4, 4.6)
# an axis spans at least this share of its values: what is small shall look small
_LEAST_SPAN_FRAC = 0.02
# of the axes: points nearer to each other than this carry their prices in one label
_JOINT_X_FRAC, _JOINT_Y_FRAC = 0.06, 0.05
_THOUSAND = 1000.0


def require_drawing() -> None:
    """Make sure, before anything is calculated, that a picture can be drawn.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ConfigError(
            ConfigProblem(
                file="matplotlib",
                message="the picture needs matplotlib, which is not installed",
                allowed="the extra `studies`: pip install 'gpu-microgrid-ems[studies]'",
            )
        )


def draw(days: Sequence[DayTradeOff], files: Sequence[Path]) -> None:
    """Write the picture into files; their endings say which kind."""
    import matplotlib as mpl  # noqa: PLC0415 - half a second that only a picture needs
    from matplotlib.figure import Figure  # noqa: PLC0415

    width, height = _PANEL_INCH
    # the same text gives the same file
    with mpl.rc_context({"svg.hashsalt": "pareto", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(width * len(days), height), layout="constrained")
        panels = figure.subplots(1, len(days), squeeze=False)[0]
        for panel, day in zip(panels, days, strict=True):
            _panel(panel, day)
        for file in files:
            dated = {"Date": None} if file.suffix == ".svg" else {}
            figure.savefig(file, dpi=120, metadata=dated)


def _panel(panel: Any, day: DayTradeOff) -> None:  # matplotlib's own type is not at hand where it is not installed
    front = [point for point in day.points if not point.is_dominated]
    dominated = [point for point in day.points if point.is_dominated]
    panel.plot(*_axes(front), marker="o", markersize=5, linewidth=1.2, color=_FRONT, label="no plan is better in both")
    if dominated:
        panel.plot(*_axes(dominated), marker="x", linestyle="", color=_DOMINATED, label="dominated")
    tonnes, cost = _axes(day.points)
    panel.set_xlim(_range(tonnes))
    panel.set_ylim(_range(cost))
    _label(panel, front, above=True)
    _label(panel, dominated, above=False)
    panel.set_title(f"{day.title}\n{_in_words(day)}", fontsize=9)
    panel.set_xlabel("emissions of the day, t CO2e")
    panel.set_ylabel(f"cost of the day without CO2 price, thousand {day.currency}")
    panel.ticklabel_format(style="plain", useOffset=False)
    panel.grid(visible=True, alpha=0.3)
    panel.legend(loc="best", fontsize=8, title=f"labels: CO2 price, {day.currency} per t", title_fontsize=8)


def _axes(points: Sequence[TradeOffPoint]) -> tuple[list[float], list[float]]:
    return [point.emitted_kgco2e / KG_PER_T for point in points], [point.cost / _THOUSAND for point in points]


def _range(values: list[float]) -> tuple[float, float]:
    """Return a range that spans the values, and at least the least span, with room for labels behind the highest."""
    lowest, highest = min(values), max(values)
    spare = 0.5 * max(0.0, _LEAST_SPAN_FRAC * abs(highest) - (highest - lowest))
    margin = 0.1 * (highest - lowest) + spare
    return lowest - margin, highest + 3.5 * margin + 1e-3


def _label(panel: Any, points: Sequence[TradeOffPoint], *, above: bool) -> None:
    """Write the prices beside the points, those of one place together."""
    joint_x = _JOINT_X_FRAC * (panel.get_xlim()[1] - panel.get_xlim()[0])
    joint_y = _JOINT_Y_FRAC * (panel.get_ylim()[1] - panel.get_ylim()[0])
    places: dict[tuple[float, float], list[float]] = {}
    for point, x, y in zip(points, *_axes(points), strict=True):
        near = (at for at in places if abs(at[0] - x) < joint_x and abs(at[1] - y) < joint_y)
        places.setdefault(next(near, (x, y)), []).append(point.co2_price_per_t)
    for place, prices in places.items():
        text = f"{prices[0]:,.0f}" if len(prices) == 1 else f"{prices[0]:,.0f} to {prices[-1]:,.0f}"
        offset = (6, 5) if above else (6, -12)
        panel.annotate(text, place, textcoords="offset points", xytext=offset, fontsize=8)


def _in_words(day: DayTradeOff) -> str:
    """Say what the highest price of the sweep changes against the lowest."""
    first, last = day.points[0], day.points[-1]
    cost = 100.0 * (last.cost - first.cost) / max(1.0, abs(first.cost))
    carbon = 100.0 * (last.emitted_kgco2e - first.emitted_kgco2e) / max(1.0, first.emitted_kgco2e)
    return f"highest against lowest price: cost {cost:+.1f} %, emissions {carbon:+.1f} %"
