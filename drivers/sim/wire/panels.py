"""The panels of genset controllers and converters: keys, their checks and answers, and how a panel shows its set.

What a panel understands stands here in tables of its own, from the makers' documents, not from the register maps that
the drivers use: a key that a map has wrong is refused.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from drivers.device.alarms import AlarmList, Severity
from drivers.device.fields import DeviceClass
from drivers.modbus.layout import RegisterMap
from drivers.sim.wire.bank import RegisterBank, TwinDevice
from drivers.sim.wire.faults import NO_FAULTS, Faults
from drivers.sim.wire.framing import READ_HOLDING, WRITE_MULTIPLE, WRITE_SINGLE, ExceptionCode
from drivers.sim.wire.racks import RackedContainer
from drivers.sim.wire.words import Value, number_of
from ems.ports import Clock

_LISTS: Final = {Severity.WARNING: "warnings", Severity.SHUTDOWN: "shutdowns", Severity.TRIP: "trips"}
_LOCAL_MODE: Final = "off"
_STANDING: Final = frozenset({"failed_to_start", "locked_out", "unavailable"})


class Panel(Protocol):
    """The registers by which a controller is commanded, and its view of the set."""

    def values(self) -> Mapping[str, Value]:
        """Return what the controller shows of its set."""

    def command(self, name: str, value: float) -> bool:
        """Take a command that is no key; False refuses it."""

    def owns(self, register: int) -> bool:
        """Return whether a register belongs to the keys."""

    def press(self, function: int, register: int, words: tuple[int, ...]) -> ExceptionCode | None:
        """Take a write to the keys; return why it is refused, None if it is not."""

    def answer(self, register: int, count: int) -> list[int] | ExceptionCode:
        """Return what the registers of the keys show."""


class GencommPanel:
    """GenComm page 16: a key and its one's complement in one write (DSE control keys 056-051)."""

    # key: command of the plant, value, whether it counts in automatic only
    _KEYS: Final[Mapping[int, tuple[str, float, bool]]] = {
        35700: ("mode_off", 1.0, False),
        35701: ("mode_auto", 1.0, False),
        35702: ("mode_manual", 1.0, False),
        35707: ("reset", 1.0, False),
        35732: ("run", 1.0, True),
        35733: ("run", 0.0, True),
        35734: ("reset", 1.0, False),
    }
    _REGISTERS: Final = (4104, 4105)
    _STATES: Final = {"cranking": "pre_start", "on_load": "running", "unloading": "running"}
    # manufacturer and model are codes: an 8610 MkII
    _IDENTITY: Final = {"manufacturer": "1", "model": "32832"}

    def __init__(self, device: TwinDevice) -> None:
        self._device = device

    def values(self) -> Mapping[str, Value]:
        """Return what the controller shows of its set."""
        shown = dict(self._device.values())
        state = str(shown.get("engine_state"))
        shown["engine_state"] = "stopped" if state in _STANDING else self._STATES.get(state, state)
        if shown.get("remote") is False and shown.get("mode") == "auto":
            # one selector shows both
            shown["mode"] = _LOCAL_MODE
        return {**shown, **self._IDENTITY, "serial": str(number_of(str(shown.get("serial"))))}

    def command(self, name: str, value: float) -> bool:
        """Take a command that is no key; False refuses it."""
        return self._device.command(name, value)

    def owns(self, register: int) -> bool:
        """Return whether a register belongs to the keys."""
        return register in self._REGISTERS

    def press(self, function: int, register: int, words: tuple[int, ...]) -> ExceptionCode | None:
        """Take a key; without its complement, unknown or in the wrong mode it is refused."""
        if function != WRITE_MULTIPLE:
            return ExceptionCode.FUNCTION
        if register != self._REGISTERS[0] or len(words) != len(self._REGISTERS):
            return ExceptionCode.ADDRESS
        key, complement = words
        if key ^ complement != 0xFFFF or key not in self._KEYS:
            return ExceptionCode.VALUE
        name, value, only_auto = self._KEYS[key]
        if only_auto and self._device.values().get("mode") != "auto":
            return ExceptionCode.VALUE
        return None if self._device.command(name, value) else ExceptionCode.VALUE

    def answer(self, register: int, count: int) -> list[int] | ExceptionCode:  # noqa: ARG002 - the protocol's signature
        """Refuse: the keys are write-only."""
        return ExceptionCode.ADDRESS


class ComapPanel:
    """ComAp's command registers: an argument of two registers, then the command; the result is read in their place.

    From the InteliLite 4 AMF 20 Global Guide, p. 190. The plant's set synchronises and closes its breaker by itself,
    so that closing it is only a question of whether the engine turns.
    """

    _DONE: Final[Mapping[tuple[int, int], tuple[str, float, int]]] = {
        (1, 0x01FE0000): ("run", 1.0, 0x000001FF),
        (1, 0x02FD0000): ("run", 0.0, 0x000002FE),
        (1, 0x08F70000): ("reset", 1.0, 0x000008F8),
        (1, 0x04FB0000): ("", 0.0, 0x000004FC),
        (2, 0x11EF0000): ("close", 0.0, 0x000011F0),
    }
    _INVALID, _REFUSED = 1, 2
    _TURNING: Final = frozenset({"running", "on_load"})

    def __init__(self, device: TwinDevice, *, first: int, password: int | None = None) -> None:
        """Take the register of the argument, and the password level without which nothing is done."""
        self._device = device
        self._first = first
        self._password = password
        self._entered = 0
        self._argument = 0

    def values(self) -> Mapping[str, Value]:
        """Return what the controller shows: it takes commands in MAN, where the plant has its automatic mode."""
        shown = dict(self._device.values())
        state = str(shown.get("engine_state"))
        mode = "manual" if shown.get("remote") else {"manual": "auto"}.get(str(shown.get("mode")), shown.get("mode"))
        shown["engine_state"] = "unavailable" if state in _STANDING else state
        return {**shown, "mode": mode, "model": "InteliLite4-", "firmware": "1.9.0"}

    def command(self, name: str, value: float) -> bool:
        """Take a command that is no key; False refuses it."""
        return self._device.command(name, value)

    def owns(self, register: int) -> bool:
        """Return whether a register belongs to the commands: argument, command, one that is not used, password."""
        return self._first <= register <= self._first + 4

    def press(self, function: int, register: int, words: tuple[int, ...]) -> ExceptionCode | None:
        """Take argument and command in one write or in two, or a password level."""
        place = (function, register - self._first, len(words))
        match place, words:
            case (_, 0, 2 | 3), (high, low, *command) if function == WRITE_MULTIPLE:
                self._argument = high << 16 | low
                for code in command:
                    self._do(code)
            case (_, 2, 1), (code,) if function in {WRITE_SINGLE, WRITE_MULTIPLE}:
                self._do(code)
            case (_, 4, 1), (level,) if function in {WRITE_SINGLE, WRITE_MULTIPLE}:
                self._entered = level
            case _:
                return ExceptionCode.ADDRESS
        return None

    def _do(self, code: int) -> None:
        """Do a command and leave its result in the place of its argument."""
        known = self._DONE.get((code, self._argument))
        if known is None:
            self._argument = self._INVALID
            return
        name, value, result = known
        self._argument = result if self._allowed(name, value) else self._REFUSED

    def _allowed(self, name: str, value: float) -> bool:
        if self._password is not None and self._entered != self._password:
            return False
        shown = self._device.values()
        if name == "run" and value > 0.0 and str(shown.get("engine_state")) in _STANDING:
            return False
        if name == "close":
            return str(shown.get("engine_state")) in self._TURNING
        return name == "" or self._device.command(name, value)

    def answer(self, register: int, count: int) -> list[int] | ExceptionCode:
        """Return the result of the last command."""
        if (register, count) != (self._first, 2):
            return ExceptionCode.ADDRESS
        return [self._argument >> 16, self._argument & 0xFFFF]


class StartPanel:
    """The start register of a converter: a 1 starts it."""

    # the project's own interface list; Sinexcel as OpenEMS reads it
    _REGISTERS: Final = frozenset({512, 650})
    _PRESSED: Final = (1,)

    def __init__(self, device: TwinDevice) -> None:
        self._device = device

    def values(self) -> Mapping[str, Value]:
        """Return what the converter shows."""
        return self._device.values()

    def command(self, name: str, value: float) -> bool:
        """Take a command that is no key; False refuses it."""
        return self._device.command(name, value)

    def owns(self, register: int) -> bool:
        """Return whether a register starts it."""
        return register in self._REGISTERS

    def press(self, function: int, register: int, words: tuple[int, ...]) -> ExceptionCode | None:  # noqa: ARG002
        """Start; any other number is refused."""
        if function not in (WRITE_SINGLE, WRITE_MULTIPLE):
            return ExceptionCode.FUNCTION
        taken = words == self._PRESSED and self._device.command("energise", 1.0)
        return None if taken else ExceptionCode.VALUE

    def answer(self, register: int, count: int) -> list[int] | ExceptionCode:  # noqa: ARG002 - the protocol's
        """Return nothing: the register is not kept."""
        return [0] * count


class PanelBank(RegisterBank):
    """The registers of a unit that is commanded by keys."""

    def __init__(self, register_map: RegisterMap, panel: Panel, *, clock: Clock) -> None:
        super().__init__(register_map, panel, clock=clock)
        self._panel = panel
        self._alarms = register_map.alarms

    def read(self, function: int, register: int, count: int, faults: Faults = NO_FAULTS) -> list[int] | ExceptionCode:
        """Return registers; those of the keys show what the panel answers."""
        if function == READ_HOLDING and self._panel.owns(register):
            return self._panel.answer(register, count)
        return super().read(function, register, count, faults)

    def write(
        self, function: int, register: int, words: tuple[int, ...], faults: Faults = NO_FAULTS
    ) -> ExceptionCode | None:
        """Take keys, or commands as any bank does."""
        if not self._panel.owns(register):
            return super().write(function, register, words, faults)
        if faults.ignore_writes or faults.local or faults.deaf:
            return None
        return self._panel.press(function, register, words)

    def _image(self, faults: Faults) -> Mapping[str, Value]:
        image = dict(super()._image(faults))
        if faults.local and "mode" in image:
            image["mode"] = _LOCAL_MODE
        for alarms in self._alarms:
            image |= _shown_alarms(alarms, image)
        return image


def _shown_alarms(alarms: AlarmList, image: Mapping[str, Value]) -> dict[str, Value]:
    """Return the points of a list of alarms: codes by name, or texts one after the other."""
    active = {name: severity for severity, field in _LISTS.items() for name in _names(image.get(field))}
    if alarms.prefixes is None:
        return {point: str(active.get(name, "none")) for name, point in alarms.points.items()}
    first = {severity: word for word, severity in reversed(list(alarms.prefixes.items()))}
    texts = [f"!{first[severity]} {name.replace('fail_to_start', 'Start fail')}" for name, severity in active.items()]
    return dict(zip(alarms.points.values(), (*texts, *[""] * len(alarms.points)), strict=False))


def _names(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def unit_registers(register_map: RegisterMap, device: TwinDevice, *, clock: Clock) -> RegisterBank:
    """Return the registers of a device of the plant, with the panel that its map speaks to, if any."""
    if register_map.racks:
        device = RackedContainer(register_map, device)
    if not register_map.actions:
        return RegisterBank(register_map, device, clock=clock)
    if register_map.device_class is DeviceClass.PCS:
        return PanelBank(register_map, StartPanel(device), clock=clock)
    returns = [action.returns for action in register_map.actions.values() if action.returns is not None]
    panel: Panel = ComapPanel(device, first=returns[0].at.register) if returns else GencommPanel(device)
    return PanelBank(register_map, panel, clock=clock)
