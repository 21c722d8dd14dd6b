"""Loads a configuration directory: reads, validates, cross-checks; refuses with every problem at once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ems.config.crosscheck import Finding, find_contradictions, risks
from ems.config.files import SCHEMAS, ConfigFiles
from ems.config.notation import dotted
from ems.config.refusal import refusals
from ems.config.source import SourceTree, read_directory
from ems.errors import ConfigError, ConfigProblem


def load_files(directory: Path) -> ConfigFiles:
    """Read, validate and cross-check a configuration directory; dangerous values are its `risks`.

    Raises:
        ConfigError: With every problem found, each with file, key path and what is allowed.
    """
    tree = read_directory(directory)
    files = _validated(tree)
    if findings := list(find_contradictions(files)):
        raise ConfigError(*(_located(tree, finding) for finding in findings))
    return replace(files, risks=tuple(_located(tree, finding) for finding in risks(files)))


def refuse_risks(files: ConfigFiles, *, accepted: bool) -> None:
    """Refuse dangerous values that nobody has accepted.

    Raises:
        ConfigError: With every one of them.
    """
    if files.risks and not accepted:
        raise ConfigError(*files.risks)


def _validated(tree: SourceTree) -> ConfigFiles:
    problems: list[ConfigProblem] = []
    models: dict[str, Any] = {"twin": None}  # each value is the model that SCHEMAS names for its file
    for name, schema in SCHEMAS.items():
        if name == "twin.toml" and name not in tree.files:
            continue
        source = tree.file(name)
        try:
            models[name.removesuffix(".toml")] = schema.model_validate(source.table)
        except ValidationError as error:
            problems += refusals(source, error)
    if problems:
        raise ConfigError(*problems)
    return ConfigFiles(directory=tree.directories[0], search=tree.directories, **models)


def _located(tree: SourceTree, finding: Finding) -> ConfigProblem:
    file, line = tree.file(finding.file).locate(finding.path)
    return ConfigProblem(
        file=file,
        line=line,
        key=dotted(finding.path),
        message=finding.message,
        allowed=finding.allowed,
        nearest=finding.nearest,
    )
