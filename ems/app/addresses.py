"""Addresses on the command line: HOST:PORT."""

from ems.errors import ConfigError, ConfigProblem
from ems.hmi.client import BrokerAddress


def broker_address(text: str) -> BrokerAddress:
    """Return the address of a text.

    Raises:
        ConfigError: It is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(ConfigProblem(file="--broker", message=f"'{text}' is no address", allowed="HOST:PORT"))
    return BrokerAddress(host=host, port=int(port))
