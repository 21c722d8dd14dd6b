"""Addresses on the command line: HOST:PORT or a serial port, lists of units, and the link that reaches them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.modbus.tls import tls_context
from ems.errors import ConfigError, ConfigProblem
from ems.model.device import Framing, LinkSpec, Parity, SerialLine, TcpEndpoint, TlsFiles
from ems.ports import DeviceLink

FRAMINGS: Final = tuple(framing.value for framing in Framing)
_PARITIES: Final = tuple(parity.value for parity in Parity)
# those of a link in devices.toml
_BAUD: Final = 19_200
_PARITY: Final = Parity.EVEN
_STOP_BITS: Final = 1
_HIGHEST_UNIT: Final = 255
_HIGHEST_PORT: Final = 65535
# a person waits: the pause between attempts does not grow
_RECONNECT_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How an endpoint is talked to; None for what was not said, and must not be for another framing."""

    framing: str = Framing.TCP.value
    timeout_s: float = 1.0
    baud: int | None = None
    parity: str | None = None
    stop_bits: int | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None

    @property
    def is_line(self) -> bool:
        """Return whether the endpoint is a serial port of this computer."""
        return self.framing == Framing.RTU


def endpoint_link(endpoint: str, reach: Reach) -> LinkSpec:
    """Return the link to HOST:PORT, an IPv6 address in brackets, or with framing `rtu` to a serial port.

    Raises:
        ConfigError: The text names no endpoint, or an option does not exist, is missing or has no meaning here.
    """
    if reach.framing not in FRAMINGS:
        raise _refused("--framing", f"'{reach.framing}' is no framing", ", ".join(FRAMINGS))
    _refuse_foreign_options(reach)
    spec = LinkSpec(
        id=endpoint,
        endpoint=_line(endpoint, reach) if reach.is_line else _tcp_endpoint(endpoint, reach),
        timeout_s=reach.timeout_s,
        connect_delay_s=0.0,
        gap_s=0.0,
        reconnect_min_s=_RECONNECT_S,
        reconnect_max_s=_RECONNECT_S,
    )
    try:
        tls_context(spec)
    except ConfigError as error:
        # the link would name the file of a configuration, which there is none of here
        (problem,) = error.problems
        raise _refused("--ca-file, --cert-file, --key-file", problem.message, problem.allowed or "") from error
    return spec


def scanned_endpoint(endpoint: str, *, port: str, reach: Reach) -> str:
    """Return the one place that a command line with HOST:PORT or a serial port names.

    Raises:
        ConfigError: It names none or both, or a serial port for another framing.
    """
    if port and not reach.is_line:
        raise _refused("--port", f"has no meaning with framing {reach.framing}", f"--framing {Framing.RTU.value}")
    if bool(port) is bool(endpoint):
        message = "is named twice" if port else "is not named"
        raise _refused("HOST:PORT", f"the endpoint {message}", "HOST:PORT, or --framing rtu --port DEVICE")
    return port or endpoint


def _refuse_foreign_options(reach: Reach) -> None:
    of_lines = {"--baudrate": reach.baud, "--parity": reach.parity, "--stop-bits": reach.stop_bits}
    of_tls = {
        "--ca-file": reach.ca_file,
        "--cert-file": reach.cert_file,
        "--key-file": reach.key_file,
        "--server-name": reach.server_name,
    }
    for framing, options in ((Framing.RTU, of_lines), (Framing.TLS, of_tls)):
        given = [name for name, value in options.items() if value is not None]
        if given and reach.framing != framing:
            raise _refused(given[0], f"has no meaning with framing {reach.framing}", f"--framing {framing.value}")


def _line(device: str, reach: Reach) -> SerialLine:
    if not device:
        raise _refused("--port", "no serial port is named", "a device such as /dev/ttyUSB0")
    if reach.parity is not None and reach.parity not in _PARITIES:
        raise _refused("--parity", f"'{reach.parity}' is no parity", ", ".join(_PARITIES))
    return SerialLine(
        device=device,
        baud=_BAUD if reach.baud is None else reach.baud,
        parity=_PARITY if reach.parity is None else Parity(reach.parity),
        stop_bits=_STOP_BITS if reach.stop_bits is None else reach.stop_bits,
    )


def _tcp_endpoint(endpoint: str, reach: Reach) -> TcpEndpoint:
    host, port = parse_place(endpoint)
    return TcpEndpoint(host=host, port=port, framing=Framing(reach.framing), tls=_tls_files(reach))


def _tls_files(reach: Reach) -> TlsFiles | None:
    if reach.framing != Framing.TLS:
        return None
    if reach.ca_file is None:
        raise _refused("--ca-file", "is missing", "the certificate that signs the device's")
    if (reach.cert_file is None) is not (reach.key_file is None):
        raise _refused("--cert-file", "a certificate and its key go together", "--cert-file and --key-file, or neither")
    return TlsFiles(
        ca_file=reach.ca_file, cert_file=reach.cert_file, key_file=reach.key_file, server_name=reach.server_name
    )


def parse_place(text: str, *, where: str = "HOST:PORT") -> tuple[str, int]:
    """Return host and port of a text, `where` being the argument or option that has it.

    Raises:
        ConfigError: It names no such place.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not port.isdecimal() or not 1 <= int(port) <= _HIGHEST_PORT:
        raise _refused(where, f"'{text}' is no endpoint", "a host, a colon and a port: 192.0.2.17:502")
    return host, int(port)


def parse_units(text: str) -> tuple[int, ...]:
    """Return the units of a list such as `1,10-12`, each once, in its order.

    Raises:
        ConfigError: It is no such list.
    """
    units: dict[int, None] = {}
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise _no_units(text)
        low, high = int(first), int(last or first)
        if low > high or high > _HIGHEST_UNIT:
            raise _no_units(text)
        units |= dict.fromkeys(range(low, high + 1))
    return tuple(units)


def running(*links: DeviceLink) -> AbstractAsyncContextManager[None]:
    """Serve links while the body runs."""
    return beside({f"link-{link.link_id}": link.run() for link in links})


@asynccontextmanager
async def beside(work: Mapping[str, Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run tasks of these names while the body runs."""
    group = asyncio.TaskGroup()
    await group.__aenter__()
    tasks = [group.create_task(each, name=name) for name, each in work.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        # an error of the body is not the group's: it goes on as it is instead of being wrapped
        await group.__aexit__(None, None, None)


def _no_units(text: str) -> ConfigError:
    return _refused("--units", f"'{text}' is no list of units", "numbers 0 to 255 and ranges of them: 1,10-12")


def _refused(where: str, message: str, allowed: str) -> ConfigError:
    return ConfigError(ConfigProblem(file=where, message=message, allowed=allowed))
