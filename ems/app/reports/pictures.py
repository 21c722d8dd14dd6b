"""The Sankey of a period's energy and the heat map of its carbon intensity, as parts of an HTML page."""

from datetime import timedelta
from typing import Final

import plotly.graph_objects as go

from ems.accounting.report.period import PeriodTotals
from ems.model.units import WH_PER_KWH

_COLOURS: Final = {
    "pv": "#f2b134",
    "grid_import": "#5b7db1",
    "genset": "#9c4a3c",
    "unknown": "#9a8c98",
}
_SINK_COLOUR: Final = "#4a4e69"
_HEIGHT: Final = 420
_MARGIN: Final = {"l": 60, "r": 20, "t": 20, "b": 40}


def sankey(found: PeriodTotals) -> str:
    """Return the flows from each source to each sink, storage traced through; MWh."""
    sources = [name for name, sinks in found.flows_wh.items() if sum(sinks.values()) > 0]
    sinks = [name for name in found.sinks_wh if sum(found.flows_wh[source][name] for source in sources) > 0]
    flows = [
        (sources.index(source), len(sources) + sinks.index(sink), found.flows_wh[source][sink] / WH_PER_KWH / 1000.0)
        for source in sources
        for sink in sinks
        if found.flows_wh[source][sink] > 0
    ]
    figure = go.Figure(
        go.Sankey(
            valueformat=",.1f",
            valuesuffix=" MWh",
            node={
                "label": [name.replace("_", " ") for name in (*sources, *sinks)],
                "color": [_COLOURS[name] for name in sources] + [_SINK_COLOUR] * len(sinks),
                "pad": 18,
                "thickness": 16,
            },
            link={
                "source": [flow[0] for flow in flows],
                "target": [flow[1] for flow in flows],
                "value": [flow[2] for flow in flows],
                "color": [_faint(_COLOURS[sources[flow[0]]]) for flow in flows],
            },
        )
    )
    figure.update_layout(height=_HEIGHT, margin=_MARGIN, font={"size": 13})
    return str(figure.to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False}))


def heat_map(found: PeriodTotals) -> str:
    """Return carbon intensity by hour of the day (UTC) and day; hours without records stay empty."""
    first, last = min(found.hours).date(), max(found.hours).date()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    known = {
        (hour.date(), hour.hour): each.carbon_mg / each.load_wh for hour, each in found.hours.items() if each.load_wh
    }
    figure = go.Figure(
        go.Heatmap(
            x=[day.isoformat() for day in days],
            y=list(range(24)),
            z=[[known.get((day, hour)) for day in days] for hour in range(24)],
            colorscale="YlOrBr",
            colorbar={"title": "gCO2e/kWh"},
            hovertemplate="%{x} %{y}:00 UTC<br>%{z:.0f} gCO2e/kWh<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_layout(height=_HEIGHT, margin=_MARGIN)
    figure.update_xaxes(type="category" if len(days) < 15 else "date")
    figure.update_yaxes(title="hour of the day, UTC", dtick=3)
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False}))


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[begin : begin + 2], 16) for begin in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.45)"
