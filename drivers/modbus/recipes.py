"""How the commands of a register map are written: a setpoint as one write, a heartbeat as a counter."""

from collections.abc import Callable, Sequence

from drivers.device.values import Bad
from drivers.modbus.coding import factor_name
from drivers.modbus.layout import Command, SetpointCommand
from drivers.modbus.registers import Encoded, encode
from drivers.modbus.requests import Write
from drivers.modbus.values import with_power


class MapRecipe:
    """The recipe of a command in a register map: one write of one value."""

    def __init__(self, command: SetpointCommand) -> None:
        self.name = command.name
        self.readback = command.readback
        self.factor = None if command.coding.factor is None else factor_name(command.coding.factor)
        self._command = command
        self._coding = command.coding

    def encode(self, value: float) -> Encoded | Bad:
        """Return a value as registers, or why it cannot be written."""
        return encode(value, self._coding, limits=self._command.limits)

    def scaled_by(self, power: int | None) -> None:
        """Take the scale factor just read, None if it is unknown."""
        self._coding = self._command.coding if power is None else with_power(self._command.coding, power)

    def writes(self, encoded: Encoded) -> Sequence[Write]:
        """Return the one request."""
        return (Write(at=self._command.at, registers=encoded.registers, function=self._command.function),)

    def refused(self) -> None:
        """Go on as before: there is one way only."""


def counter_write(command: Command) -> Callable[[int], Write]:
    """Return the function from a count to the write of a heartbeat."""
    high_words = (0,) * (command.n_registers - 1)
    return lambda count: Write(at=command.at, registers=(*high_words, count), function=command.function)
