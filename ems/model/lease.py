"""Who may command the site's devices, as it stands in registers that every controller can reach."""

from dataclasses import dataclass
from typing import Final

# epochs are 16 bits wide and begin again at 1 after the last; 0: nobody ever held the lease
_EPOCHS: Final = 0xFFFF
_HALF: Final = 0x8000


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """One lease: how often it has changed hands, who holds it (0: nobody), and a counter that its holder moves."""

    epoch: int
    holder: int
    counter: int

    def is_newer_than(self, epoch: int) -> bool:
        """Return whether its epoch comes after another one."""
        return self.epoch != epoch and 0 < (self.epoch - epoch) % (_EPOCHS + 1) < _HALF

    @property
    def next_epoch(self) -> int:
        """Return the epoch that follows."""
        return self.epoch % _EPOCHS + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLease:
    """What was read at a time of the monotonic clock."""

    record: LeaseRecord
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSpec:
    """Four holding registers in a unit behind a link: epoch, holder (two registers), counter."""

    id: str
    link: str
    unit: int
    register: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """How long a lease counts without being renewed, and how long a claim must stand before it does."""

    term_s: float
    settle_s: float
