"""What can be wrong with an endpoint, as a value that is replaced as a whole while the server runs."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field

_Delay = Annotated[float, Field(ge=0.0, le=3600.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of one endpoint; without arguments there is none. Times are seconds of the server's clock.

    Whom and when: requests to `units` (None: to all), for `lasts_s` (None: until replaced), every `every_nth` of
    them, and of those a share of `probability_frac`.

    The line: `refuse` closes the port and every connection, `disconnect` hangs up in the place of an answer, `mute`
    never answers, `delay_s` waits before each answer, `late_s` sends each answer that much later while it goes on
    with the next request.

    The answer: `exception_code` answers with that exception, `missing_registers` gives too few registers, `zero`
    and `ones` set every bit of them alike, `sentinel` shows each point as not available, `frozen` shows old values.

    Commands: `ignore_writes` confirms them and forgets them, `deaf` shows them as taken and does nothing, `local`
    ignores them and says so where the device has a point for it.

    The bytes: `garbage` is no Modbus, `truncate` ends in the middle, `split` comes in pieces, `doubled` comes twice,
    `bit_flip` turns one bit, `wrong_transaction` and `wrong_unit` carry another number (there is no transaction in
    RTU framing).

    Devices behind a broker (`drivers.sim.mqtt`) have the line, the answer but for exception codes, and the commands in
    common, and of the bytes garbage, truncate, doubled and bit_flip; `refuse` is a device without power, whose will the
    broker publishes. Theirs alone: with `retained` the broker keeps each message for whom subscribes later, `old_s`
    sets the device's own clock back.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    units: frozenset[Annotated[int, Field(ge=0, le=255)]] | None = None
    lasts_s: Annotated[float, Field(gt=0.0, le=86_400.0)] | None = None
    every_nth: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    probability_frac: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0

    refuse: bool = False
    disconnect: bool = False
    mute: bool = False
    delay_s: _Delay = 0.0
    late_s: _Delay = 0.0

    exception_code: Annotated[int, Field(ge=1, le=255)] | None = None
    missing_registers: Annotated[int, Field(ge=0, le=125)] = 0
    zero: bool = False
    ones: bool = False
    sentinel: bool = False
    frozen: bool = False

    ignore_writes: bool = False
    deaf: bool = False
    local: bool = False

    garbage: bool = False
    truncate: bool = False
    split: bool = False
    doubled: bool = False
    bit_flip: bool = False
    wrong_transaction: bool = False
    wrong_unit: bool = False

    retained: bool = False
    old_s: _Delay = 0.0

    def concern(self, unit: int) -> bool:
        """Return whether requests to a unit are affected."""
        return self.units is None or unit in self.units


NO_FAULTS: Final = Faults()
# whom a fault concerns and when: settled before faults are joined
WHEN: Final = frozenset({"units", "lasts_s", "every_nth", "probability_frac"})
_KINDS: Final = tuple(field.name for field in fields(Faults) if field.name not in WHEN)


def joined(several: tuple[Faults, ...]) -> Faults:
    """Return the faults of one request together: of two times or codes the larger one counts."""
    if len(several) <= 1:
        return several[0] if several else NO_FAULTS
    worst: dict[str, Any] = {kind: _worst(kind, several) for kind in _KINDS}  # values of any field
    return Faults(**worst)


def _worst(kind: str, several: tuple[Faults, ...]) -> float | None:
    worst: float = max(getattr(one, kind) or 0 for one in several)
    absent: float | None = getattr(NO_FAULTS, kind)
    return worst or absent
