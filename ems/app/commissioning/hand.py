"""A hand on one device: commands it as control does, through its driver, for as long as asked and no longer."""

from collections.abc import Callable, Mapping
from typing import Final

from ems.app.commissioning.read import first_reading
from ems.app.commissioning.targets import Target
from ems.errors import ConfigError, ConfigProblem, DriverError
from ems.model.setpoints import WriteOutcome
from ems.ports import (
    Clock,
    Commanded,
    Curtails,
    Device,
    Energises,
    LimitsPower,
    ResetsAlarms,
    SetsPower,
    SetsSupply,
    StartsAndStops,
    Withholds,
)

_RENEW_S: Final = 1.0
_LOOK_S: Final = 0.1
# a command and its read-back, beside what one answer may take
_OUTCOME_S: Final = 20.0
# how long one of its commands counts, s
VALID_S: Final = 3.0 * _RENEW_S
_RESET: Final = "reset_alarms"
_START: Final = "energise"
_SUPPLY: Final = "supply_degc"

Send = Callable[[float, float], None]


class Hand:
    """Commands one device; it has been read before the first command is given."""

    def __init__(self, device: Device, target: Target, clock: Clock) -> None:
        self._device = device
        self._target = target
        self._clock = clock
        self._senders = senders(device)
        register_map = target.register_map()
        self._sequences = {} if register_map is None else register_map.sequences

    @property
    def commands(self) -> tuple[str, ...]:
        """Return what the device can be commanded."""
        return tuple(self._senders)

    @property
    def power_command(self) -> str | None:
        """Return the command that is a power or its limit, None for a device that takes none."""
        return next((name for name in self._senders if name.endswith("_kw")), None)

    async def ready(self) -> None:
        """Wait until the device has been read.

        Raises:
            DeviceUnreachableError: It does not answer.
        """
        await first_reading(self._device, self._target, self._clock)

    def withheld(self) -> str | None:
        """Return why the device takes no commands now."""
        return self._device.withheld() if isinstance(self._device, Withholds) else None

    def check(self, name: str, value: float) -> None:
        """Refuse a command that the device has not, or a value that it would not take as it is.

        Raises:
            ConfigError: With what is allowed.
        """
        if name not in self._senders:
            raise _refused("COMMAND", f"{self._device.device_id} has no command '{name}'", ", ".join(self._senders))
        if name == "run" and value not in (0.0, 1.0):
            raise _refused("VALUE", f"{value:g} neither starts nor stops", "1 or 0")
        if name in (_RESET, _START) and value != 1.0:
            raise _refused("VALUE", f"{value:g} is no press of a key", "1")
        if name == _SUPPLY and isinstance(self._device, SetsSupply):
            band = self._device.supply_limits()
            if not band.lowest_degc <= value <= band.highest_degc:
                raise _refused(
                    "VALUE",
                    f"{value:g} °C is outside what {self._device.device_id} takes now",
                    f"{band.lowest_degc:g} ({band.lowest_reason}) to {band.highest_degc:g} ({band.highest_reason})",
                )
        if name.endswith("_kw") and isinstance(self._device, LimitsPower):
            limits = self._device.power_limits()
            if not limits.lowest_kw <= value <= limits.highest_kw:
                raise _refused(
                    "VALUE",
                    f"{value:g} kW is outside what {self._device.device_id} takes now",
                    f"{limits.lowest_kw:g} ({limits.lowest_reason}) to {limits.highest_kw:g} ({limits.highest_reason})",
                )

    async def hold(
        self, name: str, value: float, *, for_s: float, until: Callable[[], bool] | None = None
    ) -> WriteOutcome:
        """Command a value and renew it for a time, or until something holds; return what became of it.

        Without any time the value is sent once. A value that is not taken ends the holding.

        Raises:
            DriverError: Nothing is known of the command after a while.
        """
        began_s = self._clock.monotonic_s()
        send = self._senders[name]
        renew_s = began_s
        outcome: WriteOutcome | None = None
        while True:
            now_s = self._clock.monotonic_s()
            if now_s >= renew_s:
                send(value, now_s + VALID_S)
                renew_s = now_s + _RENEW_S
            outcome = self._outcome_since(began_s) or outcome
            over = now_s - began_s >= for_s or (until is not None and until())
            if outcome is not None and (over or outcome.outcome != "accepted"):
                return outcome
            if outcome is None and now_s - began_s > self._patience_s(name):
                raise DriverError(f"nothing is known of {name} = {value:g}", device=self._device.device_id)
            await self._clock.sleep(_LOOK_S)

    def _patience_s(self, name: str) -> float:
        """Return how long a command may take to come about: an engine cranks and warms up before it is on load."""
        known_s = _OUTCOME_S + self._target.link.timeout_s
        sequence = self._sequences.get(name)
        return known_s if sequence is None else known_s + sequence.longest_s

    def _outcome_since(self, began_s: float) -> WriteOutcome | None:
        if not isinstance(self._device, Commanded):
            return None
        newest = self._device.outcome()
        return newest if newest is not None and newest.at_s >= began_s else None


def senders(device: Device) -> Mapping[str, Send]:
    """Return the commands of a device by name; each takes a value and until when it counts."""
    found: dict[str, Send] = {}
    if isinstance(device, SetsPower):
        found["power_kw"] = lambda value, until_s: device.set_power(value, valid_until_s=until_s)
    if isinstance(device, Curtails):
        found["limit_kw"] = lambda value, until_s: device.set_limit(value, valid_until_s=until_s)
    if isinstance(device, StartsAndStops):
        found["run"] = lambda value, until_s: device.set_run(run=value == 1.0, valid_until_s=until_s)
    if isinstance(device, ResetsAlarms) and device.has_reset_key:
        found[_RESET] = lambda _, until_s: device.reset_alarms(valid_until_s=until_s)
    if isinstance(device, Energises) and device.has_start:
        found[_START] = lambda _, until_s: device.energise(valid_until_s=until_s)
    if isinstance(device, SetsSupply):
        found[_SUPPLY] = lambda value, until_s: device.set_supply(value, valid_until_s=until_s)
    return found


def _refused(where: str, message: str, allowed: str) -> ConfigError:
    return ConfigError(ConfigProblem(file=where, message=message, allowed=allowed or "none"))
