"""What a broker asks for before it lets us in: read once, when the link is built."""

from pathlib import Path

from drivers.device.certificates import client_context
from drivers.device.mapfiles import DEVICES_FILE
from drivers.mqtt.session import Access
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import BrokerSpec


def access_to(spec: BrokerSpec) -> Access:
    """Return password and certificates of a broker.

    Raises:
        ConfigError: A file that devices.toml names is missing or not what it should be.
    """
    return Access(
        password=None if spec.password_file is None else _password(spec, spec.password_file),
        tls=None if spec.tls is None else client_context(spec.tls, of=f"broker '{spec.id}'"),
    )


def _password(spec: BrokerSpec, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"'{file}' cannot be read: {error}"
        raise _refusal(spec, "password_file", message, "a readable file that holds the password alone") from error


def _refusal(spec: BrokerSpec, key: str, message: str, allowed: str) -> ConfigError:
    problem = ConfigProblem(file=DEVICES_FILE, key=f"broker '{spec.id}'.{key}", message=message, allowed=allowed)
    return ConfigError(problem)
