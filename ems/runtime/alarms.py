"""Knows the alarms that devices report. What a device does not tell neither begins nor ends an alarm."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ems.model.alarm import AlarmList, AlarmPriority, alarm_lists
from ems.model.annunciation import Finding
from ems.model.racks import soc_spread_pct
from ems.model.readings import BmsReading, Reading
from ems.model.site import Site
from ems.ports import Device

# an alarm that comes back within this time has not been away: one that flickers fills no log
_SETTLED_S: Final = 10.0
# racks that were too far apart are so until they are well within the limit again
_AGAIN_EVEN_FRAC: Final = 0.8
_SPREAD: Final = "racks apart"
_KINDS: Final = {AlarmPriority.WARNING: "device_warning", AlarmPriority.FAULT: "device_fault"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Active:
    """An alarm that was seen; `gone_s` is when it was first missing, None while it is there."""

    priority: AlarmPriority
    gone_s: float | None = None


# an alarm by the list in which it stands and its name
_Key = tuple[str, str]


class AlarmWatch:
    """Remembers the active alarms of every device.

    Beside what devices report, containers whose racks are further apart than the site allows have a warning.
    """

    def __init__(self, site: Site) -> None:
        self._spread_max_pct = {
            container: pool.rack_spread_max_pct
            for pool in site.batteries
            if pool.rack_spread_max_pct is not None
            for block in pool.blocks
            for container in block.container_ids
        }
        self._active: dict[str, dict[_Key, _Active]] = {}
        self._seen: dict[str, Reading] = {}

    def look(self, devices: Iterable[Device], *, now_s: float) -> tuple[Finding, ...]:
        """Return the alarms that stand, device by device."""
        for device in devices:
            reading = device.reading()
            if reading is None:
                continue
            name = device.device_id
            if reading is not self._seen.get(name) or name in self._active:
                self._seen[name] = reading
                self._compare(device, reading, now_s)
        return tuple(
            _finding(device_id, key, alarm)
            for device_id, active in self._active.items()
            for key, alarm in active.items()
        )

    def _compare(self, device: Device, reading: Reading, now_s: float) -> None:
        active = self._active.get(device.device_id, {})
        found: dict[_Key, _Active] = {}
        complete: set[str] = set()
        for listed in (*alarm_lists(reading), *self._spread(device.asset_id, reading, active)):
            found |= {(listed.origin, name): _Active(priority=listed.priority) for name in listed.names}
            if listed.complete:
                complete.add(listed.origin)
        standing = {**dict(_missing(active, found, complete, now_s)), **found}
        if standing:
            self._active[device.device_id] = standing
        else:
            self._active.pop(device.device_id, None)

    def _spread(self, asset_id: str, reading: Reading, active: Mapping[_Key, _Active]) -> Iterator[AlarmList]:
        limit_pct = self._spread_max_pct.get(asset_id)
        if limit_pct is None or not isinstance(reading, BmsReading):
            return
        name = f"the SoC of its racks is more than {limit_pct:g} % apart: they need a full charge to balance"
        spread_pct = soc_spread_pct(reading)
        highest_pct = limit_pct * (_AGAIN_EVEN_FRAC if (_SPREAD, name) in active else 1.0)
        is_wide = spread_pct is not None and spread_pct > highest_pct
        yield AlarmList(
            origin=_SPREAD,
            priority=AlarmPriority.WARNING,
            names=(name,) if is_wide else (),
            complete=spread_pct is not None,
        )


def _missing(
    active: Mapping[_Key, _Active], found: Mapping[_Key, _Active], complete: set[str], now_s: float
) -> Iterator[tuple[_Key, _Active]]:
    """Yield the alarms that are not shown now and still count as active."""
    for key, alarm in active.items():
        if key in found:
            continue
        if key[0] not in complete:
            yield key, replace(alarm, gone_s=None)
        elif alarm.gone_s is None:
            yield key, replace(alarm, gone_s=now_s)
        elif now_s - alarm.gone_s < _SETTLED_S:
            yield key, alarm


def _finding(device_id: str, key: _Key, alarm: _Active) -> Finding:
    origin, name = key
    place = f", {origin}" if origin.startswith("rack ") else ""
    # the sentence about racks that are apart has figures: its list names it
    what = _SPREAD if origin == _SPREAD else f"{place} {name}"
    return Finding(
        kind=_KINDS[alarm.priority],
        subject=f"{device_id} {what}",
        text=f"{device_id}{place}: {alarm.priority.value} '{name}'",
    )
