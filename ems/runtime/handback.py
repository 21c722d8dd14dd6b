"""An orderly stop: devices that would keep our last setpoint get their own one back, and nothing waits for ever."""

from collections.abc import Iterable
from typing import Final

from ems.model.setpoints import Outcome
from ems.ports import Clock, Device, GivesBack

# such a unit is written and read back within a few polls, of 2 s each in the shipped sites; systemd waits for 30 s
PATIENCE_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.1


async def hand_back(devices: Iterable[Device], clock: Clock, *, stretch: float) -> tuple[str, ...]:
    """Have every device take its own setpoint that has one; return a sentence for each, when all are done.

    `stretch` is the factor of all periods of an accelerated run.
    """
    began_s = clock.monotonic_s()
    end_s = began_s + PATIENCE_S * stretch
    asked: dict[str, GivesBack] = {}
    for device in devices:
        if isinstance(device, GivesBack) and device.give_back(valid_until_s=end_s):
            asked[device.device_id] = device
    while clock.monotonic_s() < end_s and any(_is_open(device, began_s) for device in asked.values()):
        await clock.sleep(_LOOK_EVERY_S * stretch)
    return tuple(_told(name, device, began_s) for name, device in asked.items())


def _is_open(device: GivesBack, began_s: float) -> bool:
    return not device.is_given_back and _fault(device, began_s) is None


def _fault(device: GivesBack, began_s: float) -> str | None:
    outcome = device.outcome()
    if outcome is None or outcome.at_s < began_s or outcome.outcome is Outcome.ACCEPTED:
        return None
    return f"{outcome.outcome}, {outcome.detail}"


def _told(name: str, device: GivesBack, began_s: float) -> str:
    if device.is_given_back:
        return f"{name} has its own setpoint again"
    fault = _fault(device, began_s) or "not shown in time"
    return f"{name} may keep our last setpoint, its own one: {fault}"
