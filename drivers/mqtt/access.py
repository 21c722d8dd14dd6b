"""What a broker asks for before it lets us in: read once, when the link is built."""

import ssl
from pathlib import Path

from drivers.device.reading import DEVICES_FILE
from drivers.mqtt.session import Access
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import BrokerSpec


def access_to(spec: BrokerSpec) -> Access:
    """Return password and certificates of a broker.

    Raises:
        ConfigError: A file that devices.toml names is missing or not what it should be.
    """
    return Access(password=None if spec.password_file is None else _password(spec, spec.password_file), tls=_tls(spec))


def _password(spec: BrokerSpec, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"'{file}' cannot be read: {error}"
        raise _refusal(spec, "password_file", message, "a readable file that holds the password alone") from error


def _tls(spec: BrokerSpec) -> ssl.SSLContext | None:
    files = spec.tls
    if files is None:
        return None
    key = "ca_file"
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if files.cert_file is not None:
            key = "cert_file"
            # an encrypted key would make OpenSSL ask at the terminal
            context.load_cert_chain(files.cert_file, files.key_file, password="")
    except (OSError, ValueError) as error:
        allowed = "certificates and an unencrypted key in PEM form that belong together"
        raise _refusal(spec, key, f"the certificates cannot be used: {error}", allowed) from error
    return context


def _refusal(spec: BrokerSpec, key: str, message: str, allowed: str) -> ConfigError:
    problem = ConfigProblem(file=DEVICES_FILE, key=f"broker '{spec.id}'.{key}", message=message, allowed=allowed)
    return ConfigError(problem)
