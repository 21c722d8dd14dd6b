"""Brokers and the devices behind them: names, addresses, files, and what these devices are called."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ems.config.crosscheck.finding import Finding
from ems.config.files import ConfigFiles
from ems.config.notation import KeyPath
from ems.model.device import BrokerSpec, DeviceSpec, LinkSpec

# drivers of devices behind a broker
MQTT: Final = "mqtt."
_MAX_PORT: Final = 65535
_FILES: Final = ("password_file", "ca_file", "cert_file", "key_file")
_PAIR: Final = ("cert_file", "key_file")


def broker_contradictions(
    files: ConfigFiles,
    links: Sequence[tuple[int, LinkSpec]],
    brokers: Sequence[tuple[int, BrokerSpec]],
    devices: Iterable[tuple[int, DeviceSpec]],
) -> Iterator[Finding]:
    """Yield what is wrong with brokers and with the devices behind them."""
    yield from _files(files)
    yield from _brokers(links, brokers)
    yield from _devices(devices, {broker.id for _, broker in brokers})


def _files(files: ConfigFiles) -> Iterator[Finding]:
    for index, table in enumerate(files.devices.broker):
        path: KeyPath = ("broker", index)
        for name in _FILES:
            relative = getattr(table, name)
            if relative is not None and not files.resolve(relative).is_file():
                yield Finding(
                    file="devices.toml",
                    path=(*path, name),
                    message=f"{relative} does not exist",
                    allowed="a file inside the configuration directory",
                )
        if (table.cert_file is None) is not (table.key_file is None):
            (absent,) = (name for name in _PAIR if getattr(table, name) is None)
            message = f"broker '{table.id}' has only one of cert_file and key_file"
            yield Finding(file="devices.toml", path=(*path, absent), message=message, allowed="both, or none")
        if table.cert_file is not None and table.ca_file is None:
            message = f"broker '{table.id}' has a certificate of ours and no TLS"
            yield Finding(file="devices.toml", path=(*path, "ca_file"), message=message, allowed="the broker's CA")
        if table.password_file is not None and table.username is None:
            message = f"broker '{table.id}' has a password and no user"
            yield Finding(file="devices.toml", path=(*path, "username"), message=message, allowed="the user's name")


def _brokers(links: Iterable[tuple[int, LinkSpec]], brokers: Iterable[tuple[int, BrokerSpec]]) -> Iterator[Finding]:
    link_ids = {link.id for _, link in links}
    tables: dict[str, int] = {}
    addresses: dict[str, str] = {}
    for index, broker in brokers:
        path: KeyPath = ("broker", index)
        if tables.setdefault(broker.id, index) != index:
            yield Finding(file="devices.toml", path=(*path, "id"), message=f"two brokers are called '{broker.id}'")
        if broker.id in link_ids:
            message = f"a link and a broker are called '{broker.id}'"
            yield Finding(file="devices.toml", path=(*path, "id"), message=message, allowed="different names")
        if broker.port > _MAX_PORT:
            yield Finding(
                file="devices.toml",
                path=(*path, "port"),
                message=f"broker '{broker.id}' would have port {broker.port}",
                allowed=f"a first port with which the last of `count` brokers is at most {_MAX_PORT}",
            )
        other = addresses.setdefault(str(broker).lower(), broker.id)
        if other != broker.id:
            yield Finding(
                file="devices.toml",
                path=(*path, "port"),
                message=f"brokers '{other}' and '{broker.id}' share the address {broker}",
                allowed="one broker per address, with all devices behind it",
            )
        if broker.reconnect_min_s > broker.reconnect_max_s:
            yield Finding(
                file="devices.toml",
                path=(*path, "reconnect_min_s"),
                message=f"{broker.reconnect_min_s:g} s is above reconnect_max_s",
                allowed=f"at most {broker.reconnect_max_s:g}",
            )


def _devices(devices: Iterable[tuple[int, DeviceSpec]], broker_ids: set[str]) -> Iterator[Finding]:
    named: dict[tuple[str, str | None, str], str] = {}
    for index, device in devices:
        path: KeyPath = ("device", index)
        if not device.driver.startswith(MQTT):
            if device.name is not None:
                yield Finding(
                    file="devices.toml",
                    path=(*path, "name"),
                    message=f"driver {device.driver} knows no topics",
                    allowed="name for the drivers mqtt.*, unit for the others",
                )
            if device.topics is not None:
                yield Finding(
                    file="devices.toml",
                    path=(*path, "topics"),
                    message=f"driver {device.driver} knows no topics",
                    allowed="[device.topics] for the drivers mqtt.*",
                )
            continue
        if device.topics is not None and device.map is not None:
            yield Finding(
                file="devices.toml",
                path=(*path, "topics"),
                message=f"there is the map '{device.map}', too",
                allowed="either a map or [device.topics]",
            )
        if device.registers is not None:
            yield Finding(
                file="devices.toml",
                path=(*path, "registers"),
                message=f"driver {device.driver} knows no registers",
                allowed="a topic map, or [device.topics]",
            )
        if device.link not in broker_ids:
            yield Finding(
                file="devices.toml",
                path=(*path, "link"),
                message=f"device '{device.id}' is behind broker '{device.link}', which does not exist",
                allowed=", ".join(sorted(broker_ids)) or "the id of a [[broker]]",
                nearest=next(iter(difflib.get_close_matches(device.link, sorted(broker_ids), n=1)), None),
            )
        if device.name is None:
            yield Finding(
                file="devices.toml",
                path=(*path, "name"),
                message=f"nothing says what device '{device.id}' is called in its topics",
                allowed="the device's own part of the topics",
            )
            continue
        other = named.setdefault((device.link, device.map, device.name), device.id)
        if other != device.id:
            yield Finding(
                file="devices.toml",
                path=(*path, "name"),
                message=f"devices '{other}' and '{device.id}' are both called '{device.name}'",
                allowed="one device per name and topic map, or a name with {n}",
            )
