"""Reads a study file; refuses it like the files of a configuration: where, what, and what is allowed."""

from pathlib import Path

from pydantic import ValidationError

from ems.config.keys import schema_key
from ems.config.notation import dotted
from ems.config.refusal import refusals
from ems.config.schema.study import DayTable, ParetoFile
from ems.config.source import SourceFile, read_file
from ems.errors import ConfigError, ConfigProblem

_SUBJECT = "`site` with `start`, or `problem`"


def read_pareto(path: Path) -> ParetoFile:
    """Return the study that a file describes.

    Raises:
        ConfigError: With every problem found, each with file, line, key path and what is allowed.
    """
    source = read_file(path)
    try:
        study = ParetoFile.model_validate(source.table)
    except ValidationError as error:
        raise ConfigError(*refusals(source, error, root=schema_key(ParetoFile))) from error
    if problems := [problem for number, day in enumerate(study.day) for problem in _of_day(source, number, day)]:
        raise ConfigError(*problems)
    return study


def _of_day(source: SourceFile, number: int, day: DayTable) -> list[ConfigProblem]:
    """A day is of a site from a date, or of a problem; no price stands in it twice."""

    def problem(key: str, message: str, allowed: str) -> ConfigProblem:
        path = ("day", number, key)
        file, line = source.locate(path)
        return ConfigProblem(file=file, line=line, key=dotted(path), message=message, allowed=allowed)

    found = []
    if day.problem is not None and (day.site, day.start) != (None, None):
        found.append(problem("problem", "a day is of a site or of a problem, not both", _SUBJECT))
    elif day.problem is None and day.site is None:
        found.append(problem("site", "what the day is of is missing", _SUBJECT))
    elif day.problem is None and day.start is None:
        found.append(problem("start", "the date of the site's day is missing", _SUBJECT))
    if len(set(day.co2_prices_per_t)) < len(day.co2_prices_per_t):
        found.append(problem("co2_prices_per_t", "a price stands here twice", "different prices"))
    return found
