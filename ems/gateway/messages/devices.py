"""Messages about devices: what each measures."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final

from ems.contract.devices import (
    BmsMessage,
    CduMessage,
    ChillerMessage,
    CoolingMessage,
    DeviceMessage,
    DryCoolerMessage,
    GensetMessage,
    LoadMessage,
    PccMessage,
    PcsMessage,
    PvMessage,
    TankMessage,
)
from ems.contract.outgoing import Outgoing
from ems.contract.topics import DeviceGroup, device_topic
from ems.gateway.messages.quality import worded
from ems.model.readings import (
    BmsReading,
    CduReading,
    ChillerReading,
    CoolingReading,
    DryCoolerReading,
    GensetReading,
    LoadReading,
    PccReading,
    PcsReading,
    PvReading,
    Reading,
    TankReading,
)
from ems.model.site import ControlSettings, Site
from ems.ports import Device

_GROUPS: Final[Mapping[type[Reading], DeviceGroup]] = {
    PcsReading: DeviceGroup.PCS,
    BmsReading: DeviceGroup.BMS,
    GensetReading: DeviceGroup.GENSET,
    PvReading: DeviceGroup.PV,
    PccReading: DeviceGroup.PCC,
    LoadReading: DeviceGroup.LOAD,
    CoolingReading: DeviceGroup.COOLING,
    CduReading: DeviceGroup.CDU,
    ChillerReading: DeviceGroup.CHILLER,
    DryCoolerReading: DeviceGroup.DRY_COOLER,
    TankReading: DeviceGroup.TANK,
}
_MESSAGES: Final[Mapping[DeviceGroup, type[DeviceMessage]]] = {
    DeviceGroup.PCS: PcsMessage,
    DeviceGroup.BMS: BmsMessage,
    DeviceGroup.GENSET: GensetMessage,
    DeviceGroup.PV: PvMessage,
    DeviceGroup.PCC: PccMessage,
    DeviceGroup.LOAD: LoadMessage,
    DeviceGroup.COOLING: CoolingMessage,
    DeviceGroup.CDU: CduMessage,
    DeviceGroup.CHILLER: ChillerMessage,
    DeviceGroup.DRY_COOLER: DryCoolerMessage,
    DeviceGroup.TANK: TankMessage,
}
_VALUES: Final = {
    group: tuple(name for name in model.model_fields if name not in DeviceMessage.model_fields)
    for group, model in _MESSAGES.items()
}
# not part of the power balance: polled less often, so judged by the slow limit
_SLOW: Final = frozenset(
    {
        DeviceGroup.BMS,
        DeviceGroup.COOLING,
        DeviceGroup.CDU,
        DeviceGroup.CHILLER,
        DeviceGroup.DRY_COOLER,
        DeviceGroup.TANK,
    }
)
# a value is old when two control periods have passed
_OLD_PERIODS: Final = 2.0
_NO_VALUE: Final = "absent: the device gives no value"

_Value = float | int | bool | str | tuple[str, ...] | None


def device_messages(site: Site, devices: Mapping[str, Device], *, now_s: float, utc: datetime) -> Iterator[Outgoing]:
    """Yield one message for each device; `devices` by the asset that they serve, `now_s` of the devices' clock.

    A device of an asset that the site does not know is left out until its first reading tells what it is.
    """
    groups = _groups_of_assets(site)
    for asset_id, device in devices.items():
        reading = device.reading()
        group = groups.get(asset_id) if reading is None else _GROUPS[type(reading)]
        if group is not None:
            message = _message(site.control, device, group, reading, now_s=now_s, utc=utc)
            yield Outgoing(topic=device_topic(device.device_id, group), message=message)


def _message(
    control: ControlSettings,
    device: Device,
    group: DeviceGroup,
    reading: Reading | None,
    *,
    now_s: float,
    utc: datetime,
) -> DeviceMessage:
    names, trouble = _VALUES[group], device.trouble()
    values: dict[str, _Value] = dict.fromkeys(names)
    ages: dict[str, float] = {}
    at = utc
    if reading is None:
        quality = dict.fromkeys(names, worded("unknown", trouble or "not read yet"))
    else:
        age_s = max(0.0, now_s - reading.at_s)
        if age_s > (control.stale_slow_s if group in _SLOW else control.stale_fast_s):
            quality = dict.fromkeys(names, worded("stale", trouble or ""))
        else:
            at = utc - timedelta(seconds=age_s)
            values, quality = _judged(names, reading)
            if age_s > _OLD_PERIODS * control.period_s:
                ages = {name: age_s for name in names if name not in quality}
    message: dict[str, Any] = {  # validated by the model
        "ts": at,
        "quality": quality,
        "age_s": ages,
        "device": device.device_id,
        "asset": device.asset_id,
        "trouble": trouble,
        **values,
    }
    return _MESSAGES[group].model_validate(message)


def _judged(names: tuple[str, ...], reading: Reading) -> tuple[dict[str, _Value], dict[str, str]]:
    """Return the values of a fresh reading, and why some are missing."""
    values: dict[str, _Value] = {}
    quality: dict[str, str] = {}
    for name in names:
        value: _Value = getattr(reading, name)
        if isinstance(value, float) and not isfinite(value):
            value, quality[name] = None, "bad: not a number"
        elif value is None:
            quality[name] = worded("bad", reading.bad[name]) if name in reading.bad else _NO_VALUE
        values[name] = value
    return values, quality


def _groups_of_assets(site: Site) -> dict[str, DeviceGroup]:
    """Return what kind of device serves each asset of the site."""
    groups = {"pcc": DeviceGroup.PCC, "cooling_plant": DeviceGroup.COOLING, "tank": DeviceGroup.TANK}
    groups |= dict.fromkeys(("it", "cooling", "aux"), DeviceGroup.LOAD)
    units = {
        DeviceGroup.CDU: site.cooling.cdus,
        DeviceGroup.CHILLER: site.cooling.chillers,
        DeviceGroup.DRY_COOLER: site.cooling.dry_coolers,
    }
    for group, fleet in units.items():
        groups |= {} if fleet is None else dict.fromkeys(fleet.unit_ids, group)
    for pool in site.batteries:
        for block in pool.blocks:
            groups[block.id] = DeviceGroup.PCS
            groups |= dict.fromkeys(block.container_ids, DeviceGroup.BMS)
    for kind in site.gensets:
        groups |= dict.fromkeys(kind.unit_ids, DeviceGroup.GENSET)
    for plant in site.pv:
        groups |= dict.fromkeys(plant.block_ids, DeviceGroup.PV)
    return groups
