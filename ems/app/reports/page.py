"""report.html: one file, readable offline and on paper; each figure opens to its formula, inputs, factors, records."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from ems.accounting.report.figure import Figure, Section
from ems.accounting.report.whole_report import CarbonReport
from ems.app.reports.pictures import heat_map, sankey
from ems.model.units import MG_PER_KG, WH_PER_KWH

_STYLE: Final = """
:root{--ink:#22223b;--dim:#6b6b80;--line:#d9d9e3;--soft:#f6f6fa}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);max-width:1080px;margin:0 auto;padding:24px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:36px 0 8px;border-bottom:2px solid var(--ink)}
.dim{color:var(--dim)}.wording{background:var(--soft);padding:10px 14px;border-left:4px solid var(--ink)}
.keys{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:10px;margin:18px 0}
.keys a{display:block;padding:10px 14px;background:var(--soft);text-decoration:none;color:inherit}
.keys b{display:block;font-size:22px}
details{border-bottom:1px solid var(--line)}
summary{display:flex;justify-content:space-between;gap:20px;padding:5px 2px;cursor:pointer;list-style:none}
summary::-webkit-details-marker{display:none}
summary span:first-child::before{content:"+ ";color:var(--dim)}
details[open] summary span:first-child::before{content:"- "}
summary span:last-child{font-variant-numeric:tabular-nums;white-space:nowrap}
details div{padding:2px 18px 10px;color:var(--dim);font-size:14px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;border-bottom:1px solid var(--line);text-align:right}
th:first-child,td:first-child{text-align:left}
.left td{text-align:left}.left th{text-align:left}code{background:var(--soft);padding:1px 4px;overflow-wrap:anywhere}
@media print{body{max-width:none;padding:0;font-size:11px}details div{display:block}h2{break-after:avoid}
details{break-inside:avoid}.keys a{border:1px solid var(--line)}}
"""
# before printing every figure is opened, so that paper shows what the screen can
_SCRIPT: Final = (
    "function o(){const d=document.getElementById(location.hash.slice(1));if(d&&'open' in d)d.open=true}"
    "addEventListener('hashchange',o);o();"
    "addEventListener('beforeprint',()=>document.querySelectorAll('details').forEach(d=>d.open=true))"
)
_WORDING: Final = (
    "This report supports the determination of the electricity emission factor and of Scope 1 and 2 emissions. "
    "It is no declaration and claims no conformity with a standard or law. GPUs and computing services are no CBAM "
    "goods: the site itself owes no CBAM certificates."
)
_MATRIX_NOTE: Final = (
    "Storage is traced through: a kWh that was stored keeps its source. What was in the cells when the ledger began is "
    "of unknown source. Losses are those of storage and distribution."
)
_KEYS: Final = (
    "ci_operational_gco2e_per_kwh",
    "ci_compute_gco2e_per_kwh",
    "scope1_kgco2e",
    "scope2_location_kgco2e",
    "cfe_pct",
    "pue",
    "availability_pct",
    "cost_per_it_kwh",
)


def page(report: CarbonReport) -> str:
    """Return the page."""
    title = f"{report.site.name}: energy and carbon report"
    return "".join(
        (
            "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
            "<meta name='viewport' content='width=device-width,initial-scale=1'>",
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f"<p class='dim'>{_period(report)}</p>",
            f"<p class='wording'>{escape(_WORDING)}</p>",
            _keys(report),
            "<h2>From source to sink</h2>",
            sankey(report.totals),
            _matrix(report),
            "<h2>Carbon intensity of what the loads received</h2>",
            heat_map(report.totals),
            *(_section(section, report) for section in report.sections),
            _factors(report),
            _corrections(report),
            _proof(report),
            f"<script>{_SCRIPT}</script></body></html>",
        )
    )


def shown(value: float | None) -> str:
    """Return a number for people: four digits that count, thousands apart."""
    if value is None:
        return "not determined"
    if value == 0.0:
        return "0"
    if abs(value) >= 1000.0:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _period(report: CarbonReport) -> str:
    found = report.totals
    return (
        f"{report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC; {found.n_intervals} ledger records, "
        f"sequence {found.first_seq} to {found.last_seq}; software {escape(report.version)}; "
        f"configuration <code>{report.config_hash[:12]}</code>"
    )


def _keys(report: CarbonReport) -> str:
    def key(name: str) -> str:
        figure = report.figure(name)
        title = figure.title.partition(":")[0].partition(",")[0]
        return (
            f"<a href='#{name}'><span class='dim'>{escape(title)}</span>"
            f"<b>{shown(figure.value)}</b>{escape(figure.unit)}</a>"
        )

    return f"<div class='keys'>{''.join(key(name) for name in _KEYS)}</div>"


def _section(section: Section, report: CarbonReport) -> str:
    rows = "".join(_figure(figure, report) for figure in section.figures)
    return f"<h2 id='{section.id}'>{escape(section.title)}</h2>{rows}"


def _figure(figure: Figure, report: CarbonReport) -> str:
    found = report.totals
    parts = [f"Formula: {escape(figure.formula)}"]
    if figure.inputs:
        parts.append("Inputs: " + ", ".join(_inputs(figure.inputs)))
    if figure.factors:
        parts.append("Factors: " + ", ".join(f"<a href='#factor-{name}'>{name}</a>" for name in figure.factors))
    parts.append(
        f"Records: <a href='intervals.csv'>sequence {found.first_seq} to {found.last_seq}</a>, "
        f"<a href='#ledger'>ledger</a>"
    )
    if figure.note:
        parts.append(f"Note: {escape(figure.note)}")
    return (
        f"<details id='{figure.id}'><summary><span>{escape(figure.title)}</span>"
        f"<span>{shown(figure.value)} {escape(figure.unit)}</span></summary><div>{'<br>'.join(parts)}</div></details>"
    )


def _inputs(inputs: Mapping[str, float | int | str]) -> Iterator[str]:
    for name, value in inputs.items():
        text = value if isinstance(value, str) else f"{value:,.6g}"
        yield f"<code>{escape(name)}</code> = {escape(str(text))}"


def _matrix(report: CarbonReport) -> str:
    found = report.totals
    sinks = tuple(found.sinks_wh)
    head = "".join(f"<th>{sink.replace('_', ' ')}</th>" for sink in sinks)
    rows = "".join(
        f"<tr><td>{source.replace('_', ' ')}, kWh</td>"
        + "".join(f"<td>{found.flows_wh[source][sink] / WH_PER_KWH:,.0f}</td>" for sink in sinks)
        + "</tr>"
        for source in found.flows_wh
    )
    carbon = "".join(f"<td>{found.carbon_sinks_mg[sink] / MG_PER_KG:,.0f}</td>" for sink in sinks)
    return (
        f"<table><tr><th></th>{head}</tr>{rows}<tr><td>emissions carried, kgCO2e</td>{carbon}</tr></table>"
        f"<p class='dim'>{_MATRIX_NOTE}</p>"
    )


def _factors(report: CarbonReport) -> str:
    rows = "".join(
        f"<tr id='factor-{each.id}'><td>{each.id}</td><td>{each.amount_kgco2e} {each.use.unit}</td>"
        f"<td>{each.use.value}</td><td>{each.boundary.value}</td><td>{escape(each.region)}</td><td>{each.year}</td>"
        f"<td>{escape(each.source)}</td></tr>"
        for each in report.factors
    )
    head = "<tr><th>id</th><th>value</th><th>use</th><th>boundary</th><th>region</th><th>year</th><th>source</th></tr>"
    none = "" if rows else "<p>No factor of report.toml covers the period.</p>"
    return f"<h2 id='factors'>Factors</h2>{none}<table class='left'>{head}{rows}</table>"


def _corrections(report: CarbonReport) -> str:
    if not report.corrections:
        return "<h2>Corrections</h2><p>No record of the period was corrected.</p>"
    rows = "".join(
        f"<tr><td>{row['of']['seq']}</td><td>{escape(str(row['reason']))}</td><td>{escape(_readings(row))}</td></tr>"
        for row in report.corrections
    )
    totals = "".join(
        f"<tr><td>{escape(name)}</td><td>{was:,}</td><td>{now:,}</td></tr>"
        for name, (was, now) in report.corrected.items()
    )
    return (
        "<h2 id='corrections'>Corrections</h2><p>Figures above are of the records as they were written. "
        "Corrections are rows of their own; flows are not traced again.</p>"
        f"<table class='left'><tr><th>record</th><th>reason</th><th>reading</th></tr>{rows}</table>"
        f"<table><tr><th>total</th><th>as written</th><th>with corrections</th></tr>{totals}</table>"
    )


def _readings(row: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{quantity} of {unit}: {each['was']:,} is {each['is']:,}"
        for quantity, units in row["meters"].items()
        for unit, each in units.items()
    )


def _proof(report: CarbonReport) -> str:
    proof = report.proof
    hashes = "".join(
        f"<li>{name}: <code>{value}</code></li>"
        for name, value in (("first hash", proof.first_hash), ("last hash", proof.last_hash))
        if value is not None
    )
    keys = ", ".join(f"<code>{key}</code>" for key in proof.key_ids) or "none"
    return (
        f"<h2 id='ledger'>Ledger</h2><p>{escape(proof.statement)}</p><ul>{hashes}<li>keys: {keys}</li>"
        f"<li>signed digests: {proof.n_digests}</li></ul>"
        f"<p>Check it yourself, offline: <code>ems ledger verify {escape(proof.path)}</code></p>"
    )
