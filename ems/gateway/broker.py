"""How the broker is reached: the connection settings of mqtt.toml with the files that it names read."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from ems.config.files import ConfigFiles
from ems.errors import ConfigError, ConfigProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """One broker and how to speak to it. Times are real seconds; `tls` None means plain TCP.

    `refresh_s`: a retained message that says nothing new is sent again after this long, so that its time stamp
    shows that it is still true.
    """

    host: str
    port: int
    identifier: str
    protocol: str
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None
    keepalive_s: int
    timeout_s: float
    reconnect_max_s: float
    queue_events: int
    queue_records: int
    refresh_s: float


def broker_settings(files: ConfigFiles, *, refresh_s: float) -> BrokerSettings:
    """Return the settings of a site.

    Raises:
        ConfigError: A file that mqtt.toml names is missing or not what it should be.
    """
    table = files.mqtt.mqtt
    return BrokerSettings(
        host=table.host,
        port=table.port,
        identifier=f"{table.client_id}-{files.site.site.id}",
        protocol=table.protocol,
        username=table.username,
        password=_password(files),
        tls=_tls(files),
        keepalive_s=table.keepalive_s,
        timeout_s=table.timeout_s,
        reconnect_max_s=table.reconnect_max_s,
        queue_events=table.queue_events,
        queue_records=table.queue_records,
        refresh_s=refresh_s,
    )


def _password(files: ConfigFiles) -> str | None:
    name = files.mqtt.mqtt.password_file
    if name is None:
        return None
    try:
        return _found(files, name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(files, "mqtt.password_file", f"'{name}' cannot be read: {error}") from error


def _tls(files: ConfigFiles) -> ssl.SSLContext | None:
    table = files.mqtt.mqtt
    if table.ca_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=_found(files, table.ca_file))
        if table.cert_file is not None:
            key = None if table.key_file is None else _found(files, table.key_file)
            context.load_cert_chain(_found(files, table.cert_file), key)
    except (OSError, ssl.SSLError) as error:
        raise _refusal(files, "mqtt.ca_file", f"the certificates cannot be used: {error}") from error
    return context


def _found(files: ConfigFiles, name: str) -> Path:
    """Return where a relative path lies: in the directory, else in a site that it extends."""
    candidates = [directory / name for directory in files.search]
    return next((path for path in candidates if path.is_file()), files.directory / name)


def _refusal(files: ConfigFiles, key: str, message: str) -> ConfigError:
    return ConfigError(
        ConfigProblem(file=str(files.directory / "mqtt.toml"), key=key, message=message, allowed="a readable file")
    )
