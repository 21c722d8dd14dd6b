"""`ems study`: questions that are answered by the control code itself."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ems.app.outputs import check_directory
from ems.config.build import build_site
from ems.config.loader import load_files
from ems.config.schema.study import DayTable
from ems.config.shipped import shipped_site
from ems.config.study import read_pareto
from ems.model.problem import PlanningProblem
from ems.runtime.problem_file import read_problem
from ems.studies.day_problem import day_problem
from ems.studies.pareto import DayTradeOff, trade_off
from ems.studies.pareto_files import PARETO_FILES, document, write_files
from ems.studies.pareto_picture import require_drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class ParetoResult:
    """The points of a study, as a document and as text."""

    document: dict[str, object]
    text: str


def pareto(study: Path, *, out: Path, progress: Callable[[float], None]) -> ParetoResult:
    """Sweep the CO2 prices of a study file and write its files into `out`.

    Raises:
        ConfigError: The study or what it names is refused, `out` cannot be written, or matplotlib is missing; all
            but the problems of the sites' data are judged before anything is solved.
        DispatchError: A price has no plan, or one that the check refuses.
    """
    tables = read_pareto(study).day
    require_drawing()
    check_directory(out, PARETO_FILES)
    stated = [_problem(table, beside=study.parent) for table in tables]
    days = []
    for number, (table, (title, problem)) in enumerate(zip(tables, stated, strict=True)):
        progress(number / len(tables))
        days.append(trade_off(problem, title=title, prices_per_t=table.co2_prices_per_t, gap_frac=table.gap_frac))
    write_files(days, out)
    progress(1.0)
    return ParetoResult(
        document=document(days), text="\n".join([*map(_digest, days), f"  files in {out}: {' '.join(PARETO_FILES)}"])
    )


def _problem(table: DayTable, *, beside: Path) -> tuple[str, PlanningProblem]:
    """Return the day's title and its planning problem; relative paths count from the study file."""
    if table.site is None or table.start is None:
        file = beside / str(table.problem)
        return table.title or file.name, read_problem(file)
    files = load_files(shipped_site(table.site) or beside / table.site)
    title = table.title or f"{build_site(files).name}, {table.start}"
    return title, asyncio.run(day_problem(files, table.start))


def _digest(day: DayTradeOff) -> str:
    lines = [
        f"{day.title} ({day.site}, {day.horizon_h:.1f} h)",
        f"  {'CO2 price per t':>16} {'cost ' + day.currency:>16} {'kg CO2e':>10}",
    ]
    for point in day.points:
        notes = ["dominated"] * point.is_dominated + [f"relaxed: {', '.join(point.relaxed)}"] * bool(point.relaxed)
        figures = f"  {point.co2_price_per_t:16,.0f} {point.cost:16,.0f} {point.emitted_kgco2e:10,.0f}"
        lines.append(f"{figures}  {'; '.join(notes)}".rstrip())
    return "\n".join(lines)
