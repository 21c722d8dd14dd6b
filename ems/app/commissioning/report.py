"""The commissioning report: what was checked of each device, to be read, printed and signed. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Final

from ems.app.commissioning.checks import Check, Verdict

_MARKS: Final[Mapping[Verdict, str]] = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.NOT_RUN: "–"}
_CLASSES: Final[Mapping[Verdict, str]] = {Verdict.PASSED: "passed", Verdict.FAILED: "failed", Verdict.NOT_RUN: "open"}
_SIGNATURES: Final = (
    "Commissioned by (name)",
    "Signature, place and date",
    "For the operator (name)",
    "Signature, place and date",
)
_STYLE: Final = """
@page { size: A4; margin: 18mm 16mm 20mm; }
* { box-sizing: border-box; }
body { font: 10.5pt/1.45 "Liberation Sans", Arial, sans-serif; color: #1a1f24; max-width: 178mm; margin: 8mm auto; }
h1 { font-size: 20pt; margin: 0 0 1mm; }
h2 { font-size: 13pt; margin: 9mm 0 2mm; border-bottom: 1.5pt solid #1a1f24; padding-bottom: 1mm; }
h3 { font-size: 11.5pt; margin: 0; }
p.sub { color: #55606b; margin: 0 0 5mm; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 1.2mm 2mm; border-bottom: 0.5pt solid #c9d0d6; }
th { font-weight: 600; color: #55606b; font-size: 9pt; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.figures { color: #38424c; font-size: 9pt; width: 38%; }
td.figures span { display: inline-block; margin-right: 3mm; }
td.what { width: 20%; }
.verdict { white-space: nowrap; font-weight: 600; width: 21mm; }
.passed { color: #12653a; } .failed { color: #b3151b; } .open { color: #7a5a00; }
.banner { border: 1.5pt solid currentColor; padding: 3mm 4mm; margin: 4mm 0; font-weight: 600; }
.facts { display: grid; grid-template-columns: 32mm 1fr 26mm 1fr; gap: 0.5mm 4mm; }
.facts { margin: 1.5mm 0 2mm; font-size: 9.5pt; }
.facts dt { color: #55606b; } .facts dd { margin: 0; overflow-wrap: anywhere; }
.facts dd.wide { grid-column: 2 / 5; }
section.device { margin-top: 7mm; }
h2, .heading, .facts { break-after: avoid; break-inside: avoid; }
tr { break-inside: avoid; }
thead { display: table-header-group; }
.heading .verdict { width: auto; }
.heading { display: flex; justify-content: space-between; align-items: baseline; border-bottom: 1pt solid #1a1f24; }
.signatures { display: grid; grid-template-columns: 1fr 1fr; gap: 14mm 12mm; margin-top: 16mm; break-inside: avoid; }
.signatures div { border-top: 0.75pt solid #1a1f24; padding-top: 1mm; font-size: 9pt; color: #55606b; }
.remarks { break-inside: avoid; }
.remarks div { border-bottom: 0.5pt solid #c9d0d6; height: 8mm; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSection:
    """One device of the report; without a register map its driver has found the registers on the device."""

    device: str
    asset: str
    driver: str
    endpoint: str
    framing: str
    unit: int
    rated_kw: float
    watchdog_s: float | None
    map: str | None
    map_source: str | None
    map_sha256: str | None
    identity: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Return failed if any check has, else not run if any was not, else passed."""
        return worst(check.verdict for check in self.checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReport:
    """Everything that one run of `ems devices verify` found; times are UTC."""

    site: str
    name: str
    began: str
    ended: str
    software: str
    audit: str
    devices: tuple[DeviceSection, ...]

    @property
    def passed(self) -> bool:
        """Return whether no check has failed; checks that were not run are left to the engineer."""
        return self.counts[Verdict.FAILED.value] == 0

    @property
    def counts(self) -> dict[str, int]:
        """Return how many checks ended in which way."""
        found = Counter(check.verdict for device in self.devices for check in device.checks)
        return {verdict.value: found[verdict] for verdict in Verdict}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the one that a person must look at first."""
    found = set(verdicts)
    return next((verdict for verdict in (Verdict.FAILED, Verdict.NOT_RUN) if verdict in found), Verdict.PASSED)


def report_html(report: SiteReport) -> str:
    """Return the report as one page without anything from outside."""
    return "\n".join(_page(report)) + "\n"


def _page(report: SiteReport) -> Iterator[str]:
    title = f"Commissioning report – {report.name or report.site}"
    yield f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>'
    yield f"<style>{_STYLE}</style>\n</head>\n<body>"
    yield f"<h1>Commissioning report</h1>\n<p class='sub'>{escape(report.name or report.site)}</p>"
    yield _facts(
        ("Site", report.site, False),
        ("Devices", str(len(report.devices)), False),
        ("Begun (UTC)", report.began, False),
        ("Ended (UTC)", report.ended, False),
        ("Software", report.software, True),
        ("Audit file", report.audit, True),
    )
    yield _banner(report)
    yield "<h2>Summary</h2>"
    yield from _summary(report.devices)
    yield "<h2>Devices</h2>"
    for device in report.devices:
        yield from _device(device)
    yield "<h2>Remarks</h2>\n<div class='remarks'><div></div><div></div><div></div></div>"
    yield "<div class='signatures'>" + "".join(f"<div>{line}</div>" for line in _SIGNATURES) + "</div>"
    yield "</body>\n</html>"


def _banner(report: SiteReport) -> str:
    counts = report.counts
    verdict = worst(check.verdict for device in report.devices for check in device.checks)
    words = {
        Verdict.PASSED: "Every check passed.",
        Verdict.FAILED: f"{_counted(counts['failed'])} failed: the site is not ready to be controlled.",
        Verdict.NOT_RUN: f"No check failed; {_counted(counts['not run'])} not run, left to the engineer.",
    }
    total = f"{counts['passed']} passed, {counts['failed']} failed, {counts['not run']} not run"
    return f"<div class='banner {_CLASSES[verdict]}'>{_MARKS[verdict]} {words[verdict]} ({total})</div>"


def _counted(number: int) -> str:
    return f"{number} check{'' if number == 1 else 's'}"


def _summary(devices: Iterable[DeviceSection]) -> Iterator[str]:
    yield "<table><thead><tr><th>Device</th><th>Asset</th><th>Endpoint, unit</th><th>Map or driver</th>"
    yield "<th>Serial number</th><th>Result</th></tr></thead><tbody>"
    for device in devices:
        cells = (
            device.device,
            device.asset,
            f"{device.endpoint}, {device.unit}",
            device.map or device.driver,
            device.identity.get("serial", "unknown"),
        )
        yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + _verdict(device.verdict) + "</tr>"
    yield "</tbody></table>"


def _device(device: DeviceSection) -> Iterator[str]:
    yield "<section class='device'>"
    yield f"<div class='heading'><h3>{escape(device.device)}</h3>{_badge(device.verdict)}</div>"
    identity = ", ".join(f"{name} {text}" for name, text in device.identity.items()) or "does not name itself"
    checksum = "" if device.map_sha256 is None else f" (SHA-256 {device.map_sha256[:16]}…)"
    yield _facts(
        ("Asset", device.asset, False),
        ("Driver", device.driver, False),
        ("Endpoint", f"{device.endpoint} ({device.framing})", False),
        ("Unit", str(device.unit), False),
        ("Rated", f"{device.rated_kw:,.0f} kW", False),
        ("Watchdog", "none" if device.watchdog_s is None else f"{device.watchdog_s:g} s", False),
        ("Identity", identity, True),
        ("Register map", "found on the device" if device.map is None else f"{device.map}{checksum}", True),
        *([("Source", device.map_source, True)] if device.map_source else []),
    )
    yield "<table><thead><tr><th>Check</th><th>Result</th><th>Seen</th><th>Figures</th></tr></thead><tbody>"
    for check in device.checks:
        figures = "".join(f"<span>{escape(name)}: {escape(text)}</span>" for name, text in check.figures.items())
        yield (
            f"<tr><td class='what'>{escape(check.name)}</td>{_verdict(check.verdict)}<td>{escape(check.detail)}</td>"
            f"<td class='figures'>{figures}</td></tr>"
        )
    yield "</tbody></table></section>"


def _facts(*facts: tuple[str, str, bool]) -> str:
    """Return names and values in two columns; a wide value takes the whole line."""
    items = (
        f"<dt>{escape(name)}</dt><dd{' class=wide' if is_wide else ''}>{escape(value)}</dd>"
        for name, value, is_wide in facts
    )
    return f"<dl class='facts'>{''.join(items)}</dl>"


def _verdict(verdict: Verdict) -> str:
    return f"<td class='verdict {_CLASSES[verdict]}'>{_MARKS[verdict]} {verdict.value}</td>"


def _badge(verdict: Verdict) -> str:
    return f"<span class='verdict {_CLASSES[verdict]}'>{_MARKS[verdict]} {verdict.value}</span>"
