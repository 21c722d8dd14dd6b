"""Commands of control keys: what is written and read back, in which order, and what must hold before and after."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.modbus.coding import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class RawWrite:
    """Registers that are written as they stand, in one request."""

    at: Address
    words: tuple[int, ...]
    function: int

    @property
    def end(self) -> int:
        """Return the first register behind the write."""
        return self.at.register + len(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A field of the reading that shows one of some names; flags are named `true` and `false`."""

    field: str
    labels: frozenset[str]

    def __str__(self) -> str:
        return f"{self.field} {' or '.join(sorted(self.labels))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A condition that must come true within a time, s."""

    condition: Condition
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnValue:
    """What a device shows after an action that it has done, and what its other answers mean."""

    at: Address
    words: tuple[int, ...]
    errors: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A control key of a device: writes in their order, and the answer that proves them.

    It is sent once `after` holds and left out while `unless` holds.
    """

    name: str
    writes: tuple[RawWrite, ...]
    returns: ReturnValue | None = None
    after: Wait | None = None
    unless: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """What must hold before a sequence; `ask` may be sent to bring it about from one of the states `ask_from`."""

    wait: Wait
    ask: Action | None
    ask_from: Condition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceCommand:
    """A command that is a sequence of actions for true and one for false.

    `shows` tells by the reading which value has come about, which must be seen within `settle_s` after the last
    action. A value in `once` is an edge: it is not sent again until the command changes or, after `latched` has
    shown a failure, until that is reset at the device.
    """

    name: str
    actions: Mapping[bool, tuple[Action, ...]]
    once: frozenset[bool]
    shows: Mapping[bool, Condition]
    settle_s: float
    needs: Precondition | None
    latched: Condition | None

    @property
    def longest_s(self) -> float:
        """Return the longest time that a value may take to come about, s."""
        needs_s = 0.0 if self.needs is None or self.needs.ask is None else self.needs.wait.within_s
        waits_s = [
            sum(action.after.within_s for action in actions if action.after is not None)
            for actions in self.actions.values()
        ]
        return needs_s + max(waits_s, default=0.0) + self.settle_s
