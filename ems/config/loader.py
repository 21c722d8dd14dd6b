"""Loads a configuration directory: reads, validates, cross-checks; refuses with every problem at once."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ems.config.crosscheck import Finding, find_contradictions
from ems.config.files import ConfigFiles
from ems.config.schema.assets import AssetsFile
from ems.config.schema.control import ControlFile
from ems.config.schema.devices import DevicesFile
from ems.config.schema.fields import Table
from ems.config.schema.forecasts import ForecastsFile
from ems.config.schema.limits import LimitsFile
from ems.config.schema.mqtt import MqttFile
from ems.config.schema.persistence import PersistenceFile
from ems.config.schema.site import SiteFile
from ems.config.schema.tariffs import TariffsFile
from ems.config.schema.twin import TwinFile
from ems.config.source import KeyPath, SourceFile, read_directory
from ems.errors import ConfigError, ConfigProblem

SCHEMAS: dict[str, type[Table]] = {
    "site.toml": SiteFile,
    "assets.toml": AssetsFile,
    "limits.toml": LimitsFile,
    "tariffs.toml": TariffsFile,
    "control.toml": ControlFile,
    "devices.toml": DevicesFile,
    "forecasts.toml": ForecastsFile,
    "mqtt.toml": MqttFile,
    "persistence.toml": PersistenceFile,
    "twin.toml": TwinFile,
}


def load_files(directory: Path) -> ConfigFiles:
    """Read, validate and cross-check a configuration directory.

    Raises:
        ConfigError: With every problem found, each with file, key path and what is allowed.
    """
    sources = read_directory(directory)
    problems: list[ConfigProblem] = []
    valid: dict[str, Any] = {}  # each value is the model that SCHEMAS names for its file
    for name, schema in SCHEMAS.items():
        source = sources.get(name)
        if source is None and name == "twin.toml":
            valid[name] = None
            continue
        source = source or SourceFile(name=name, table={})
        try:
            valid[name] = schema.model_validate(source.table)
        except ValidationError as error:
            problems += [_problem(source, schema, details) for details in error.errors(include_url=False)]
    if problems:
        raise ConfigError(*problems)
    files = ConfigFiles(
        directory=directory,
        search=_search_path(sources, directory),
        **{name.removesuffix(".toml"): model for name, model in valid.items()},
    )
    if findings := list(find_contradictions(files)):
        raise ConfigError(*(_located(sources, finding) for finding in findings))
    return files


def _search_path(sources: dict[str, SourceFile], directory: Path) -> tuple[Path, ...]:
    homes = {file.parent for source in sources.values() for file in source.origin.values()}
    return (directory, *sorted(homes - {directory}))


def _located(sources: dict[str, SourceFile], finding: Finding) -> ConfigProblem:
    source = sources.get(finding.file) or SourceFile(name=finding.file, table={})
    file, line = source.locate(finding.path)
    return ConfigProblem(
        file=file, line=line, key=_dotted(finding.path), message=finding.message, allowed=finding.allowed
    )


def _problem(source: SourceFile, schema: type[Table], details: ErrorDetails) -> ConfigProblem:
    path = tuple(part for part in details["loc"] if part != "[key]")
    file, line = source.locate(path)
    nearest = None
    message = details["msg"].lower()
    allowed = None
    match details["type"]:
        case "extra_forbidden":
            known = sorted(_known_keys(schema, path[:-1]))
            message = "unknown key"
            allowed = ", ".join(known)
            nearest = next(iter(difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)), None)
        case "missing":
            message = "this key is required"
            allowed = _describe(schema, path)
        case _:
            message = f"{message}; found {_shown(details['input'])}"
            allowed = _describe(schema, path)
    return ConfigProblem(file=file, line=line, key=_dotted(path), message=message, allowed=allowed, nearest=nearest)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dotted(path: KeyPath) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _known_keys(schema: type[Table], path: KeyPath) -> Iterator[str]:
    model = _model_at(schema, path)
    if model is not None:
        yield from model.model_fields


def _describe(schema: type[Table], path: KeyPath) -> str | None:
    """Return the description of a key from the schema, None for a path that the schema does not know."""
    if not path or not isinstance(path[-1], str):
        return None
    model = _model_at(schema, path[:-1])
    field = model.model_fields.get(path[-1]) if model else None
    return field.description if field else None


def _model_at(schema: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Follow a key path through nested tables, tables by name and arrays of tables."""
    model: type[BaseModel] | None = schema
    annotation: object = schema
    for part in path:
        if model is not None:
            field = model.model_fields.get(str(part))
            if field is None:
                return None
            annotation = field.annotation
        else:
            # a name or an index inside dict[...] or list[...]: its last argument is the table
            annotation = get_args(annotation)[-1] if get_args(annotation) else None
        annotation = _without_none(annotation)
        model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    return model


def _without_none(annotation: object) -> object:
    arguments = get_args(annotation)
    if type(None) in arguments:
        return next(argument for argument in arguments if argument is not type(None))
    return annotation
