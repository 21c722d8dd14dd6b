"""The keys of a link against its framing: what it needs, and what belongs to another one."""

from collections.abc import Iterator
from typing import Final

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.notation import KeyPath
from ems.config.schema.devices import LinkTable

_SOCKET: Final = ("host", "port")
_SERIAL: Final = ("device", "baud", "parity", "stop_bits")
_TLS: Final = ("ca_file", "cert_file", "key_file", "server_name")
_NEEDED: Final = {
    "tcp": _SOCKET,
    "rtu-over-tcp": _SOCKET,
    "rtu": ("device",),
    "tls": (*_SOCKET, "ca_file"),
}
_OWN: Final = {"tcp": _SOCKET, "rtu-over-tcp": _SOCKET, "rtu": _SERIAL, "tls": (*_SOCKET, *_TLS)}
_PAIR: Final = ("cert_file", "key_file")


def framing_contradictions(files: ConfigFiles) -> Iterator[Finding]:
    """Yield the keys that a link lacks, those that its framing does not know, and certificates that do not exist."""
    for index, table in enumerate(files.devices.link):
        path: KeyPath = ("link", index)
        yield from _missing(table, path)
        yield from _foreign(table, path)
        if table.framing == "tls":
            yield from _half_pair(table, path)
            yield from _absent_files(table, path, files)


def _missing(table: LinkTable, path: KeyPath) -> Iterator[Finding]:
    for name in _NEEDED[table.framing]:
        if getattr(table, name) is None:
            yield Finding(
                file="devices.toml",
                path=(*path, name),
                message=f"link '{table.id}' with framing {table.framing} needs it",
                allowed=", ".join(_OWN[table.framing]),
            )


def _foreign(table: LinkTable, path: KeyPath) -> Iterator[Finding]:
    own = _OWN[table.framing]
    for name in (*_SOCKET, *_SERIAL, *_TLS):
        if name in table.model_fields_set and name not in own:
            homes = " and ".join(framing for framing, names in _OWN.items() if name in names)
            yield Finding(
                file="devices.toml",
                path=(*path, name),
                message=f"it belongs to framing {homes}, link '{table.id}' has {table.framing}",
                allowed=", ".join(own),
            )


def _half_pair(table: LinkTable, path: KeyPath) -> Iterator[Finding]:
    absent = [name for name in _PAIR if getattr(table, name) is None]
    if len(absent) == 1:
        yield Finding(
            file="devices.toml",
            path=(*path, *absent),
            message=f"link '{table.id}' has only one of cert_file and key_file",
            allowed="both, or none for a device that does not ask for our certificate",
        )


def _absent_files(table: LinkTable, path: KeyPath, files: ConfigFiles) -> Iterator[Finding]:
    for name in ("ca_file", *_PAIR):
        relative = getattr(table, name)
        if relative is not None and not files.resolve(relative).is_file():
            yield Finding(
                file="devices.toml",
                path=(*path, name),
                message=f"{relative} does not exist",
                allowed="a file in PEM form inside the configuration directory",
            )
