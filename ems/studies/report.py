"""report.html of a run: supply against load, SoC with its floor, reserve, gensets, prices; readable offline."""

import html
import json
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

# the browser stays quick with this many points per curve
_MAX_POINTS = 2500
_COLOURS = {
    "pv": "#f2b134",
    "storage": "#4c9f70",
    "genset": "#9c4a3c",
    "grid": "#5b7db1",
    "unserved": "#d7263d",
    "load": "#22223b",
    "floor": "#9a8c98",
}
_PANELS = (
    "Supply against load, MW",
    "Storage charging and curtailed PV, MW",
    "State of charge and floor, %",
    "Reserve held and required, MW",
    "Gensets on",
    "Price and grid carbon intensity",
)


def write_report(directory: Path, summary: dict[str, object]) -> Path:
    """Write report.html from series.parquet and a summary; return its path."""
    series = pd.read_parquet(directory / "series.parquet")
    every = max(1, len(series) // _MAX_POINTS)
    thin = series.iloc[::every]
    figure = _figure(thin)
    body = figure.to_html(full_html=False, include_plotlyjs=True)
    file = directory / "report.html"
    title = f"{summary['site']}, {summary['start']}, {summary['days']:g} days, {summary['policy']}"
    file.write_text(_page(title, summary, body), encoding="utf-8")
    return file


def _figure(series: pd.DataFrame) -> go.Figure:
    figure = make_subplots(
        rows=len(_PANELS),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.03,
        row_heights=[3, 1.4, 1.6, 1.6, 1, 1.2],
        subplot_titles=_PANELS,
        specs=[[{}], [{}], [{}], [{}], [{}], [{"secondary_y": True}]],
    )
    _supply(figure, series)
    _taken(figure, series)
    _charge(figure, series)
    _reserve(figure, series)
    _gensets(figure, series)
    _prices(figure, series)
    figure.update_layout(
        height=1250,
        template="plotly_white",
        hovermode="x unified",
        margin={"t": 40, "l": 60, "r": 60},
        legend={"orientation": "h", "y": -0.03},
    )
    return figure


def _supply(figure: go.Figure, series: pd.DataFrame) -> None:
    load = series[["load_it_kw", "load_cooling_kw", "load_aux_kw"]].sum(axis=1)
    stacked = (
        ("PV", "pv", series["pv_kw"]),
        ("discharge", "storage", series["storage_kw"].clip(lower=0.0)),
        ("gensets", "genset", series["genset_kw"]),
        ("import", "grid", series["grid_kw"].clip(lower=0.0)),
        ("unserved", "unserved", series["unserved_kw"]),
    )
    for name, colour, values in stacked:
        if values.abs().max() <= 0.0:
            continue
        figure.add_trace(_area(series, values, name=name, colour=colour, stack="supply"), row=1, col=1)
    figure.add_trace(_line(series, load / 1000.0, name="load", colour="load"), row=1, col=1)
    figure.add_trace(
        _line(series, series["load_it_kw"] / 1000.0, name="of it IT", colour="load", dash="dot"), row=1, col=1
    )


def _taken(figure: go.Figure, series: pd.DataFrame) -> None:
    charge = (-series["storage_kw"]).clip(lower=0.0)
    curtailed = (series["pv_available_kw"] - series["pv_kw"]).clip(lower=0.0)
    figure.add_trace(_area(series, charge, name="charge", colour="storage", stack="taken"), row=2, col=1)
    figure.add_trace(_area(series, curtailed, name="curtailed", colour="floor", stack="taken"), row=2, col=1)


def _charge(figure: go.Figure, series: pd.DataFrame) -> None:
    figure.add_trace(_line(series, series["soc_pct"], name="SoC", colour="storage"), row=3, col=1)
    figure.add_trace(
        _line(series, series["soc_planned_pct"], name="SoC planned", colour="storage", dash="dot"), row=3, col=1
    )
    figure.add_trace(_line(series, series["soc_floor_pct"], name="floor", colour="unserved"), row=3, col=1)


def _reserve(figure: go.Figure, series: pd.DataFrame) -> None:
    for name, colour in (("r0", "grid"), ("r1", "genset"), ("down", "floor")):
        held, required = series[f"reserve_{name}_held_kw"], series[f"reserve_{name}_required_kw"]
        figure.add_trace(_line(series, held / 1000.0, name=f"{name} held", colour=colour), row=4, col=1)
        figure.add_trace(
            _line(series, required / 1000.0, name=f"{name} required", colour=colour, dash="dash"), row=4, col=1
        )


def _gensets(figure: go.Figure, series: pd.DataFrame) -> None:
    trace = _line(series, series["n_gensets_on"], name="gensets on", colour="genset")
    trace.update(line_shape="hv", fill="tozeroy")
    figure.add_trace(trace, row=5, col=1)


def _prices(figure: go.Figure, series: pd.DataFrame) -> None:
    if series["price_per_kwh"].notna().any():
        trace = _line(series, series["price_per_kwh"], name="price per kWh", colour="load")
        trace.update(line_shape="hv")
        figure.add_trace(trace, row=6, col=1)
        carbon = _line(series, 1000.0 * series["grid_kgco2e_per_kwh"], name="grid gCO2e/kWh", colour="genset")
        figure.add_trace(carbon, row=6, col=1, secondary_y=True)
        return
    delivered = series[["load_it_kw", "load_cooling_kw", "load_aux_kw"]].sum(axis=1)
    per_kwh = series["fuel_l_per_h"] / delivered.where(delivered > 0.0)
    figure.add_trace(_line(series, per_kwh, name="litres per kWh delivered", colour="genset"), row=6, col=1)


def _line(
    series: pd.DataFrame, values: "pd.Series[float]", *, name: str, colour: str, dash: str = "solid"
) -> go.Scatter:
    line = {"color": _COLOURS[colour], "width": 1.4, "dash": dash}
    return go.Scatter(x=series["time_utc"], y=values.round(3), name=name, mode="lines", line=line)


def _area(series: pd.DataFrame, values: "pd.Series[float]", *, name: str, colour: str, stack: str) -> go.Scatter:
    return go.Scatter(
        x=series["time_utc"],
        y=(values / 1000.0).round(3),
        name=name,
        mode="lines",
        stackgroup=stack,
        line={"width": 0.5, "color": _COLOURS[colour]},
    )


def _page(title: str, summary: dict[str, object], body: str) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(_shown(value))}</td></tr>" for name, value in summary.items()
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><style>"
        "body{font-family:system-ui,sans-serif;margin:1.5rem;color:#22223b}"
        "table{border-collapse:collapse;font-size:.85rem}th{text-align:left;padding:.15rem .8rem .15rem 0;"
        "vertical-align:top;font-weight:600}td{padding:.15rem 0}details{margin-top:1rem}</style></head><body>"
        f"<h1>{html.escape(title)}</h1>{body}"
        f"<details open><summary>Summary</summary><table>{rows}</table></details></body></html>"
    )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    return f"{value:,.6g}" if isinstance(value, float) else json.dumps(value) if value is None else str(value)
