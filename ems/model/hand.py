"""Devices and the site in hands other than the controller's: AUTO, SEMI, MANUAL, OFF, each with an end.

SEMI: powers are the controller's, starts, stops and switching wait for a person's confirmation. MANUAL: the device
follows a person's setpoint, or is held as it is; the guard has the last word all the same. OFF: nothing is written to
the device. Of the site's mode and a device's own the stricter one counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

# the name under which the mode of the site as a whole stands
SITE: Final = "site"


class HandMode(StrEnum):
    """Who moves a device, from the least strict to the strictest."""

    AUTO = "auto"
    SEMI = "semi"
    MANUAL = "manual"
    OFF = "off"


_STRICTNESS: Final = {mode: number for number, mode in enumerate(HandMode)}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandSetting:
    """A mode other than AUTO that somebody has given a device or the site, until it ends.

    `since_s` and `until_s` are the monotonic clock's, `until_utc` is what people were told. Of the values those count
    in MANUAL that the device takes: power into the bus of an AC block or a set, limit of a PV block, whether a set
    runs, supply temperature of a cooling unit; None holds what is found.
    """

    mode: HandMode
    since_s: float
    until_s: float
    until_utc: datetime
    power_kw: float | None = None
    limit_kw: float | None = None
    run: bool | None = None
    supply_degc: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandWindow:
    """Work on a device that is planned in the configuration; the values are those of `HandSetting`."""

    asset_id: str
    mode: HandMode
    start_utc: datetime
    end_utc: datetime
    power_kw: float | None = None
    limit_kw: float | None = None
    run: bool | None = None
    supply_degc: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandRules:
    """Planned work, and how long a device may be in hands before that is an alarm."""

    long_s: float = 8.0 * 3600.0
    windows: tuple[HandWindow, ...] = ()


def _no_settings() -> Mapping[str, HandSetting]:
    return {}


def _no_confirmations() -> Mapping[str, float]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What is in hands in one cycle: settings by asset (`SITE` for all), and until when SEMI may act, by asset."""

    settings: Mapping[str, HandSetting] = field(default_factory=_no_settings)
    confirmed_until_s: Mapping[str, float] = field(default_factory=_no_confirmations)

    def setting(self, asset: str, now_s: float) -> HandSetting | None:
        """Return what counts for an asset at an instant of the monotonic clock, None in AUTO; what has ended is not."""
        own, site = self._alive(asset, now_s), self._alive(SITE, now_s)
        if own is None or site is None:
            return own or site
        return site if _STRICTNESS[site.mode] > _STRICTNESS[own.mode] else own

    def mode(self, asset: str, now_s: float) -> HandMode:
        """Return the mode that counts for an asset."""
        setting = self.setting(asset, now_s)
        return HandMode.AUTO if setting is None else setting.mode

    def is_confirmed(self, asset: str, now_s: float) -> bool:
        """Return whether a person lets a device in SEMI be started, stopped or switched."""
        return any(now_s < self.confirmed_until_s.get(name, now_s) for name in (asset, SITE))

    def waits(self, asset: str, now_s: float) -> bool:
        """Return whether starts, stops and switching of an asset wait for a person's confirmation."""
        return self.mode(asset, now_s) is HandMode.SEMI and not self.is_confirmed(asset, now_s)

    def _alive(self, asset: str, now_s: float) -> HandSetting | None:
        setting = self.settings.get(asset)
        return setting if setting is not None and now_s < setting.until_s else None


NO_HANDS: Final = Hands()
