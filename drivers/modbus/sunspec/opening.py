"""What is done first on every connection to a SunSpec device: find its models, ask who it is, choose what serves.

A chain that was walked once is kept for as long as the device at its beginning names itself alike.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Final

from drivers.device.values import Bad, Value
from drivers.modbus.handshake import Met, Script, Unknown, UsableAnswer
from drivers.modbus.requests import Answered, ExceptionAnswer, Request
from drivers.modbus.sunspec.chain import (
    BASES,
    COMMON_ID,
    MARKER,
    BaseSearch,
    Chain,
    find_chain,
    read_holding,
)
from drivers.modbus.sunspec.points import PointPlan, plan_points
from drivers.modbus.sunspec.profile import Choice, Profile, choose
from drivers.modbus.sunspec.values import PointValues
from ems.model.device import SunSpecSpec

# names of the texts of model 1, as other drivers call them
_TEXTS: Final = {"Mn": "manufacturer", "Md": "model", "SN": "serial", "Vr": "firmware"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A device that was met: its models, and which of them serve."""

    chain: Chain
    choice: Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """What became of the device's fall-back: `fault` keeps it from being commanded; None: there is nothing to arm."""

    armed: bool | None = None
    fault: str | None = None


# more steps once the models and the texts of the device are known
MoreSteps = Callable[[Found, Mapping[str, str]], Generator[Request, UsableAnswer, Armed]]
IdentityScript = Generator[Request, UsableAnswer, Mapping[str, str] | Bad]


class Opening:
    """The script of a SunSpec device; `found` is told the models before anything else is asked of them."""

    def __init__(self, spec: SunSpecSpec, profile: Profile, *, found: Callable[[Found], None], more: MoreSteps) -> None:
        self._spec = spec
        self._profile = profile
        self._search = BaseSearch(BASES if spec.base is None else (spec.base,))
        self._found = found
        self._more = more
        self._known: tuple[Chain, Mapping[str, str]] | None = None

    def run(self) -> Script:
        """Begin the script."""
        chain = yield from self._chain()
        if isinstance(chain, Bad):
            return Unknown(reason=chain.reason)
        identity = yield from read_identity(chain, max_registers=self._spec.max_registers)
        if isinstance(identity, Bad):
            return Unknown(reason=identity.reason)
        self._known = chain, identity
        choice = choose(chain, self._profile, self._spec)
        if isinstance(choice, Bad):
            return Unknown(reason=choice.reason)
        found = Found(chain=chain, choice=choice)
        self._found(found)
        fallback = yield from self._more(found, identity)
        return Met(identity=identity, watchdog_fault=fallback.fault, watchdog_armed=fallback.armed)

    def forget(self) -> None:
        """Walk along the chain anew the next time."""
        self._known = None

    def _chain(self) -> Generator[Request, UsableAnswer, Chain | Bad]:
        """Return the chain of before if its beginning has not changed; else it is walked anew."""
        if self._known is not None:
            chain, identity = self._known
            self._known = None
            marker = yield read_holding(chain.base, len(MARKER))
            if isinstance(marker, Answered) and tuple(marker.registers) == MARKER:
                now = yield from read_identity(chain, max_registers=self._spec.max_registers)
                if now == identity:
                    return chain
        return (yield from find_chain(self._search))


def read_identity(chain: Chain, *, max_registers: int) -> IdentityScript:
    """Read the texts of model 1."""
    (common, *_) = chain.all_of(COMMON_ID)
    points = yield from read_points(plan_points({common: set(_TEXTS)}, max_registers=max_registers))
    if isinstance(points, Bad):
        return Bad(f"its identity cannot be read: {points.reason}")
    identity = {name: points.text(f"1.{point}") or "" for point, name in _TEXTS.items()}
    # a device that still boots shows zeros
    empty = [name for name in ("manufacturer", "model") if not identity[name]]
    return Bad(f"it gives no {' and no '.join(empty)}") if empty else identity


def read_points(plan: PointPlan) -> Generator[Request, UsableAnswer, PointValues | Bad]:
    """Read points once; the first request that is refused ends it."""
    values: dict[str, Value | None] = {}
    bad: dict[str, str] = {}
    for part in plan.parts:
        answer = yield part.request
        if isinstance(answer, ExceptionAnswer):
            return Bad(str(answer))
        decoded = part.decoder.decode(answer.registers)
        values |= decoded.values.table()
        bad |= decoded.bad
    return PointValues(plan.loose, values, bad)
