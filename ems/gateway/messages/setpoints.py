"""Messages about commands: what each device is told, why, and what became of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from ems.contract.devices import SetpointMessage
from ems.contract.outgoing import Outgoing
from ems.contract.topics import setpoint_topic
from ems.control.supplies import supply_setpoints
from ems.gateway.messages.site import reason_parts
from ems.model.hand import NO_HANDS, HandMode, Hands, HandSetting
from ems.model.setpoints import Reason, Setpoints, WriteOutcome
from ems.model.site import Site
from ems.ports import Commanded, Device, Withholds

_NOT_COMMANDED: Final = "unknown: nothing is commanded now"
_NOT_TAKEN: Final = "absent: the device takes none"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """One device's command of a cycle; None: this kind of device takes none."""

    power_kw: float | None = None
    run: bool | None = None
    limit_kw: float | None = None
    supply_degc: float | None = None
    reasons: tuple[Reason, ...] = ()

    def differs(self, other: "_Command", scale_kw: float) -> bool:
        """Return whether another command says something that is worth writing."""
        return (
            self.run is not other.run
            or _apart(self.power_kw, other.power_kw, scale_kw)
            or _apart(self.limit_kw, other.limit_kw, scale_kw)
            or self.supply_degc != other.supply_degc
        )


class SetpointBook:
    """Follows the commands of all devices, to know which outcome belongs to the newest value."""

    def __init__(self, site: Site, devices: Mapping[str, Device]) -> None:
        """Take devices by the asset that they serve."""
        self._takes = _takes(site)
        self._devices: dict[str, tuple[Device, Commanded]] = {
            asset: (device, device)
            for asset, device in devices.items()
            if asset in self._takes and isinstance(device, Commanded)
        }
        self._scale_kw = _scales(site)
        self._current: dict[str, _Command] = {}
        # the value that a device was told, and since when; smaller changes are not written
        self._told: dict[str, tuple[_Command, float]] = {}
        self._missed: Mapping[str, str] = {}
        self._hands: Mapping[str, HandSetting] = {}

    def observe(
        self,
        setpoints: Setpoints,
        *,
        at_s: float,
        missed: Mapping[str, str] = MappingProxyType({}),
        hands: Hands = NO_HANDS,
    ) -> None:
        """See the commands of a cycle, every cycle, at its time; `missed` says by asset why control does without.

        The commands are those of the decision and, for a unit that it does without, its probe.
        """
        self._current = _commands(setpoints)
        self._hands = {asset: setting for asset in self._devices if (setting := hands.setting(asset, at_s)) is not None}
        self._missed = missed
        for asset in self._devices:
            command, before = self._current.get(asset), self._told.get(asset)
            if command is None:
                self._told.pop(asset, None)
            elif before is None or command.differs(before[0], self._scale_kw[asset]):
                self._told[asset] = (command, at_s)

    def messages(self, *, utc: datetime) -> Iterator[Outgoing]:
        """Yield one message for each device that takes commands, from the newest cycle."""
        for asset, (device, commanded) in self._devices.items():
            command, told = self._current.get(asset), self._told.get(asset)
            outcome = commanded.outcome()
            if outcome is not None and (told is None or outcome.at_s < told[1]):
                outcome = None
            yield Outgoing(
                topic=setpoint_topic(device.device_id),
                message=self._message(
                    device, asset, command, outcome, utc=utc, excluded=self._excluded(asset, commanded)
                ),
            )

    def _excluded(self, asset: str, commanded: Commanded) -> str | None:
        withheld = commanded.withheld() if isinstance(commanded, Withholds) else None
        return withheld or self._missed.get(asset)

    def _message(
        self,
        device: Device,
        asset: str,
        command: _Command | None,
        outcome: WriteOutcome | None,
        *,
        utc: datetime,
        excluded: str | None,
    ) -> SetpointMessage:
        values = command or _Command()
        takes, setting = self._takes[asset], self._hands.get(asset)
        quality = {name: _NOT_TAKEN for name in ("power_kw", "run", "limit_kw", "supply_degc") if name not in takes}
        if command is None:
            quality |= dict.fromkeys(takes, _NOT_COMMANDED)
        return SetpointMessage(
            ts=utc,
            quality=quality,
            device=device.device_id,
            asset=asset,
            power_kw=values.power_kw,
            run=values.run,
            limit_kw=values.limit_kw,
            supply_degc=values.supply_degc,
            reasons=reason_parts(values.reasons),
            outcome=None if outcome is None else outcome.outcome,
            detail="" if outcome is None else outcome.detail,
            written_kw=None if outcome is None else outcome.written_kw,
            excluded=excluded,
            mode=HandMode.AUTO.value if setting is None else setting.mode.value,
            mode_until=None if setting is None else setting.until_utc,
        )


def _commands(setpoints: Setpoints) -> dict[str, _Command]:
    commands = {block.id: _Command(power_kw=block.power_kw, reasons=block.reasons) for block in setpoints.blocks}
    commands |= {
        genset.id: _Command(power_kw=genset.power_kw, run=genset.run, reasons=genset.reasons)
        for genset in setpoints.gensets
    }
    commands |= {pv.id: _Command(limit_kw=pv.limit_kw, reasons=pv.reasons) for pv in setpoints.pv}
    return commands | {
        unit.id: _Command(supply_degc=unit.supply_degc, reasons=unit.reasons) for unit in setpoints.supplies
    }


def _takes(site: Site) -> dict[str, tuple[str, ...]]:
    """Return which values each asset takes."""
    takes: dict[str, tuple[str, ...]] = {block.id: ("power_kw",) for pool in site.batteries for block in pool.blocks}
    takes |= {
        unit: ("power_kw", "run") if kind.takes_power else ("run",) for kind in site.gensets for unit in kind.unit_ids
    }
    takes |= {block: ("limit_kw",) for plant in site.pv for block in plant.block_ids}
    return takes | {setpoint.id: ("supply_degc",) for setpoint in supply_setpoints(site)}


def _scales(site: Site) -> dict[str, float]:
    """Return by asset the change below which a new value is not written, kW."""
    share = site.control.deadband_frac
    scales = {block.id: share * pool.pcs_kw for pool in site.batteries for block in pool.blocks}
    scales |= {unit: share * kind.rated_kw for kind in site.gensets for unit in kind.unit_ids}
    scales |= {block: share * plant.ac_kw for plant in site.pv for block in plant.block_ids}
    # a supply temperature is no power: every change of it counts
    return scales | dict.fromkeys((setpoint.id for setpoint in supply_setpoints(site)), 0.0)


def _apart(one_kw: float | None, other_kw: float | None, scale_kw: float) -> bool:
    if one_kw is None or other_kw is None:
        return one_kw is not other_kw
    return abs(one_kw - other_kw) > scale_kw
