"""Factors of report.toml: named once, valid forwards, one at a time, of one boundary in each scope."""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.schema.report import FactorTable, ReportFile

_FILE: Final = "report.toml"


def contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield contradictions in the factors and names of report.toml."""
    report = files.report
    yield from _names(report)
    for number, factor in enumerate(report.factor):
        if factor.valid_to < factor.valid_from:
            yield Finding(
                file=_FILE,
                path=("factor", number, "valid_to"),
                message=f"factor '{factor.id}' ends before it begins",
                allowed=f"{factor.valid_from} or later",
            )
    yield from _overlaps(report)
    yield from _contract(report)


def _names(report: ReportFile) -> Iterator[Finding]:
    tables = (
        ("factor", [each.id for each in report.factor]),
        ("embodied", [each.id for each in report.embodied]),
        ("meter", [each.id for each in report.meter]),
        ("generator", [each.id for each in report.generator]),
    )
    for table, names in tables:
        for number, name in enumerate(names):
            if name in names[:number]:
                yield Finding(
                    file=_FILE,
                    path=(table, number, "id"),
                    message=f"'{name}' is named twice",
                    allowed="a name of its own for each",
                )


def _overlaps(report: ReportFile) -> Iterator[Finding]:
    for (_, one), (number, other) in combinations(enumerate(report.factor), 2):
        if one.use == other.use and one.valid_from <= other.valid_to and other.valid_from <= one.valid_to:
            yield Finding(
                file=_FILE,
                path=("factor", number, "valid_from"),
                message=f"'{one.id}' and '{other.id}' are both the {one.use} factor of the same days",
                allowed="one factor of each use at a time",
            )
    used = {each.use: each for each in report.factor}
    for use in ("grid_residual", "grid_contract"):
        location, market = used.get("grid_location"), used.get(use)
        if location is not None and market is not None and location.boundary != market.boundary:
            yield _mixed(report, market, location)


def _mixed(report: ReportFile, factor: FactorTable, other: FactorTable) -> Finding:
    return Finding(
        file=_FILE,
        path=("factor", report.factor.index(factor), "boundary"),
        message=f"'{factor.id}' is of another boundary than '{other.id}': their results cannot be compared",
        allowed=f"a factor of boundary {other.boundary}",
    )


def _contract(report: ReportFile) -> Iterator[Finding]:
    uses = {each.use for each in report.factor}
    if report.contract is not None and "grid_contract" not in uses:
        yield Finding(
            file=_FILE,
            path=("contract", "matched_frac"),
            message="the contract's emission factor is missing",
            allowed="a [[factor]] with use = 'grid_contract'",
        )
