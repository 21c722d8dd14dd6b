"""Messages about the racks of containers."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final

from ems.contract.outgoing import Outgoing
from ems.contract.racks import RackPart, RacksMessage
from ems.contract.topics import DeviceGroup, device_topic
from ems.gateway.messages.quality import worded
from ems.model.racks import soc_spread_pct
from ems.model.readings import BmsReading, RackReading
from ems.model.site import ControlSettings
from ems.ports import Device

_VALUES: Final = tuple(field.name for field in fields(RackReading) if field.name not in {"number", "bad"})
_NO_VALUE: Final = "absent: the device gives no value"


def rack_messages(
    control: ControlSettings, devices: Iterable[Device], *, now_s: float, utc: datetime
) -> Iterator[Outgoing]:
    """Yield one message for each container whose device has told of racks."""
    for device in devices:
        if (outgoing := _message(control, device, now_s=now_s, utc=utc)) is not None:
            yield outgoing


def _message(control: ControlSettings, device: Device, *, now_s: float, utc: datetime) -> Outgoing | None:
    reading = device.reading()
    if not isinstance(reading, BmsReading) or reading.racks is None:
        return None
    trouble, age_s = device.trouble(), max(0.0, now_s - reading.at_s)
    is_stale = age_s > control.stale_slow_s
    spread_pct = None if is_stale else soc_spread_pct(reading)
    quality: dict[str, str] = {}
    if is_stale:
        quality = dict.fromkeys(("racks", "soc_spread_pct"), worded("stale", trouble or ""))
    elif spread_pct is None:
        quality["soc_spread_pct"] = worded("unknown", "no rack in service tells its SoC")
    message: dict[str, Any] = {  # validated by the model
        "ts": utc if is_stale else utc - timedelta(seconds=age_s),
        "quality": quality,
        "device": device.device_id,
        "asset": device.asset_id,
        "trouble": trouble,
        "soc_spread_pct": spread_pct,
        "racks": None if is_stale else tuple(_part(rack) for rack in reading.racks),
    }
    return Outgoing(
        topic=device_topic(device.device_id, DeviceGroup.RACKS), message=RacksMessage.model_validate(message)
    )


def _part(rack: RackReading) -> RackPart:
    values: dict[str, Any] = {name: getattr(rack, name) for name in _VALUES}  # validated by the model
    quality: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, float) and not isfinite(value):
            values[name], quality[name] = None, "bad: not a number"
        elif value is None:
            quality[name] = worded("bad", rack.bad[name]) if name in rack.bad else _NO_VALUE
    return RackPart.model_validate({"number": rack.number, **values, "quality": quality})
