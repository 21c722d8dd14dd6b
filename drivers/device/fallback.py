"""What a device does by itself when its controller goes silent, as a map tells it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class LifeSign(StrEnum):
    """What a device takes for a sign of life of its controller."""

    HEARTBEAT = "heartbeat"
    SETPOINTS = "setpoints"
    REQUESTS = "requests"
    # it goes on as it was told last
    NOTHING = "nothing"


class Arming(StrEnum):
    """What makes a device watch its controller: our watchdog time, a setting at the device, or its make."""

    WATCHDOG = "watchdog"
    SETTING = "setting"
    ALWAYS = "always"


# what a device does not notice as long as it is polled
UNNOTICED: Final = frozenset({LifeSign.NOTHING, LifeSign.REQUESTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackRule:
    """What a device does by itself when its controller goes silent.

    `misses` is what it waits for, `armed_by` what makes it wait. `after_s` is a time that is fixed in the device;
    None where the site sets it, by the watchdog time that we write or at the device.
    """

    text: str
    misses: LifeSign
    armed_by: Arming
    after_s: float | None = None
