"""The forwarder of the history as a site's configuration wants it."""

from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from ems.config.files import ConfigFiles
from ems.errors import ConfigError, ConfigProblem
from ems.history.forwarder import Forwarder
from ems.history.forwarding import PostgresSettings


def forwarder_of(files: ConfigFiles, state_directory: Path) -> Forwarder | None:
    """Return the running forwarder, None where the history stays here.

    Raises:
        ConfigError: The library is missing, or the password cannot be read.
    """
    settings = postgres_settings(files)
    return None if settings is None else Forwarder(state_directory, settings)


def postgres_settings(files: ConfigFiles) -> PostgresSettings | None:
    """Return where the history is forwarded to, None for nowhere.

    Raises:
        ConfigError: The library is missing, or the password cannot be read.
    """
    table = files.persistence.postgres
    if not (table.enabled and files.persistence.historian.enabled):
        return None
    if find_spec("asyncpg") is None:
        _refuse(files, "postgres.enabled", "asyncpg is not installed", "pip install 'gpu-microgrid-ems[postgres]'")
    password = None
    if table.password_file is not None:
        try:
            password = _found(files, table.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            _refuse(files, "postgres.password_file", f"cannot be read: {error}", "a file with the password alone")
    return PostgresSettings(
        host=table.host,
        port=table.port,
        database=table.database,
        user=table.user,
        password=password,
        ca_file=None if table.ca_file is None else str(_found(files, table.ca_file)),
    )


def _found(files: ConfigFiles, name: str) -> Path:
    """Return where a relative path lies: in the directory, else in a site that it extends."""
    candidates = [directory / name for directory in files.search]
    return next((path for path in candidates if path.is_file()), files.directory / name)


def _refuse(files: ConfigFiles, key: str, message: str, allowed: str) -> NoReturn:
    file = str(files.directory / "persistence.toml")
    raise ConfigError(ConfigProblem(file=file, key=key, message=message, allowed=allowed))
