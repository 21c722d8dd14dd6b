"""One simulated device as registers: reads show its values, writes become its commands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from drivers.device.fallback import LifeSign
from drivers.modbus.coding import Address, Coding, PointType, Table, factor_name
from drivers.modbus.layout import Command, Point, RegisterMap
from drivers.sim.wire.faults import NO_FAULTS, Faults
from drivers.sim.wire.framing import (
    READ_COILS,
    READ_DISCRETE,
    READ_HOLDING,
    READ_INPUT,
    WRITE_COIL,
    WRITE_COILS,
    ExceptionCode,
)
from drivers.sim.wire.words import Value, command_value, fitting_power, point_words
from ems.ports import Clock

_COUNTER_RANGE: Final = 0x10000
_GREATEST_POWER: Final = 10
_TABLES: Final = {
    READ_COILS: Table.COIL,
    READ_DISCRETE: Table.DISCRETE,
    READ_HOLDING: Table.HOLDING,
    READ_INPUT: Table.INPUT,
}
# the point by which a device says whether it obeys us
_LOCAL_SWITCH: Final = "remote"


class TwinDevice(Protocol):
    """What the plant shows of a device to the world outside it."""

    def values(self) -> Mapping[str, Value]:
        """Return the present values by the names of the map's points, and the identity texts by theirs."""

    def command(self, name: str, value: float) -> bool:
        """Take a command by its name in the map, or `heartbeat` or `watchdog_s`; False refuses it."""


@runtime_checkable
class HearsRequests(Protocol):
    """A device of the plant whose watchdog any request keeps quiet, where its map says so."""

    def asked(self) -> None:
        """Take note that somebody asks."""


class UnitRegisters(Protocol):
    """The registers of one unit as a server needs them."""

    def read(self, function: int, register: int, count: int, faults: Faults = NO_FAULTS) -> list[int] | ExceptionCode:
        """Return registers, or why they are refused."""

    def write(
        self, function: int, register: int, words: tuple[int, ...], faults: Faults = NO_FAULTS
    ) -> ExceptionCode | None:
        """Take registers; return why they are refused, None if they are not."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a point lies within the answer to one request."""

    point: Point
    offset: int


class RegisterBank:
    """The registers of one unit.

    The life counter and the echo of a command (`readback`) are kept here where the plant does not show them: in
    real devices both belong to the communication board, and so do `powers`: the scale factors (powers of ten) by
    their register, which may be changed while the device runs.
    """

    def __init__(self, register_map: RegisterMap, device: TwinDevice, *, clock: Clock) -> None:
        self._map = register_map
        self._device = device
        self._clock = clock
        points = (*register_map.points.values(), *register_map.identity.values())
        self._commands = {command.at: command for command in _all_commands(register_map)}
        self.powers = _fitting_powers(points)
        self._points = (*points, *_power_points(self.powers, points))
        # registers that a point shows are the plant's, whatever was written there
        self._shown_registers = {
            (point.at.table, number) for point in self._points for number in range(point.at.register, point.end)
        }
        self._readable = _readable(register_map)
        self._plans: dict[tuple[int, int, int], tuple[_Place, ...] | None] = {}
        self._written: dict[tuple[Table, int], int] = {}
        self._taken: dict[str, float] = {}
        # the newest commands, which a deaf device shows without following them
        self._pretended: dict[str, float] = {}
        self._shown: Mapping[str, Value] = {}
        rule = register_map.fallback
        # whoever asks such a device is no silent controller
        hears = rule is not None and rule.misses is LifeSign.REQUESTS
        self._listener = device if hears and isinstance(device, HearsRequests) else None

    def read(self, function: int, register: int, count: int, faults: Faults = NO_FAULTS) -> list[int] | ExceptionCode:
        """Return registers; a frozen device shows the values of the last read when it was not."""
        places = self._plan(function, register, count)
        if places is None:
            return ExceptionCode.ADDRESS
        if self._listener is not None:
            self._listener.asked()
        if not (faults.frozen and self._shown):
            self._shown = self._image(faults)
        words = [0] * count
        table = _TABLES[function]
        if self._written:
            words = [self._written.get((table, register + offset), 0) for offset in range(count)]
        for place in places:
            factor = place.point.coding.factor
            power = self._power(factor)
            encoded = point_words(place.point, self._shown.get(place.point.name), power=power)
            for index, word in enumerate(encoded, start=place.offset):
                if 0 <= index < count:
                    words[index] |= word
        return words

    def write(
        self, function: int, register: int, words: tuple[int, ...], faults: Faults = NO_FAULTS
    ) -> ExceptionCode | None:
        """Take one or more whole commands; the first that is refused ends the write."""
        table = Table.COIL if function in {WRITE_COIL, WRITE_COILS} else Table.HOLDING
        position = 0
        while position < len(words):
            command = self._commands.get(Address(table=table, register=register + position))
            if command is None:
                return ExceptionCode.ADDRESS
            if function != command.function:
                return ExceptionCode.FUNCTION
            part = words[position : position + command.n_registers]
            if len(part) < command.n_registers or not self._take(command, part, faults):
                return ExceptionCode.VALUE
            position += command.n_registers
        return None

    def restart(self) -> None:
        """Lose what was written, as a device does whose communication board starts anew."""
        self._written.clear()
        self._taken.clear()

    def _take(self, command: Command, words: tuple[int, ...], faults: Faults) -> bool:
        if faults.ignore_writes or faults.local:
            return True
        factor = command.coding.factor
        value = command_value(command, words, power=self._power(factor))
        if command.name in self._map.commands:
            self._pretended[command.name] = value
            if faults.deaf:
                return True
        if not self._device.command(command.name, value):
            return False
        self._taken[command.name] = value
        for register, word in enumerate(words, start=command.at.register):
            if (command.at.table, register) not in self._shown_registers:
                self._written[(command.at.table, register)] = word
        return True

    def _image(self, faults: Faults) -> Mapping[str, Value]:
        """Return the values of this moment, with what the communication board adds."""
        if faults.sentinel:
            return {**dict.fromkeys(self._map.points), **self._identity()}
        image: dict[str, Value] = {}
        for point in self._map.points.values():
            if point.stale_after_s is not None:
                image[point.name] = int(self._clock.monotonic_s()) % _COUNTER_RANGE
        for name, command in self._map.commands.items():
            image[command.readback] = self._taken.get(name)
        image.update(self._device.values())
        for name, value in self._pretended.items() if faults.deaf else ():
            image[self._map.commands[name].readback] = value
        if faults.local and _LOCAL_SWITCH in image:
            image[_LOCAL_SWITCH] = False
        for point in self._points:
            if point.fills is not None:
                image[point.name] = image.get(point.fills)
            if point.at in self.powers:
                image[point.name] = self.powers[point.at]
        return image

    def _power(self, factor: Address | None) -> int:
        """Return the factor that values are shown with; a device that shows none that can be still has values."""
        power = 0 if factor is None else self.powers[factor]
        return power if abs(power) <= _GREATEST_POWER else 0

    def _identity(self) -> dict[str, Value]:
        return {name: value for name, value in self._device.values().items() if name in self._map.identity}

    def _plan(self, function: int, register: int, count: int) -> tuple[_Place, ...] | None:
        """Return the points that a read shows, None for registers that the device does not have."""
        key = (function, register, count)
        if key not in self._plans:
            self._plans[key] = self._places(function, register, count)
        return self._plans[key]

    def _places(self, function: int, register: int, count: int) -> tuple[_Place, ...] | None:
        table = _TABLES[function]
        if any((table, number) not in self._readable for number in range(register, register + count)):
            return None
        return tuple(
            _Place(point, point.at.register - register)
            for point in self._points
            if point.at.table is table and point.at.register < register + count and point.end > register
        )


def _all_commands(register_map: RegisterMap) -> Iterable[Command]:
    yield from register_map.commands.values()
    yield from (command for command in (register_map.heartbeat, register_map.watchdog) if command is not None)


def _fitting_powers(points: Iterable[Point]) -> dict[Address, int]:
    """Return for each factor register the smallest power of ten that all its points can be shown with."""
    powers: dict[Address, int] = {}
    for point in points:
        if (factor := point.coding.factor) is not None:
            powers[factor] = max(powers.get(factor, -10), fitting_power(point))
    return powers


def _power_points(powers: Mapping[Address, int], points: Iterable[Point]) -> Iterable[Point]:
    """Yield the factor registers as points, where the map has none of its own for them."""
    orders = {point.coding.factor: point.coding.byte_order for point in points}
    shown = {point.at for point in points}
    for at in powers.keys() - shown:
        coding = Coding(type=PointType.INT16, byte_order=orders[at])
        yield Point(name=factor_name(at), at=at, coding=coding, n_registers=1)


def _readable(register_map: RegisterMap) -> frozenset[tuple[Table, int]]:
    """Return every register that the device has: its blocks, its identity and its command registers."""
    spans = [(block.at, block.count) for block in register_map.blocks]
    spans += [(text.at, text.n_registers) for text in register_map.identity.values()]
    spans += [(command.at, command.n_registers) for command in _all_commands(register_map)]
    return frozenset((at.table, number) for at, count in spans for number in range(at.register, at.register + count))
