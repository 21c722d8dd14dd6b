"""What is wrong with messages of the cluster, told when it is news: mistakes repeat with every message."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

_M = TypeVar("_M", bound=BaseModel)

# a full day of quarter hours and twenty classes are a tenth of this
MAX_BYTES: Final = 65_536
# clocks of two computers differ by less
CLOCK_ERROR_S: Final = 60.0
# the same kind of mistake with other figures is told again after this time
_TELL_AGAIN_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that is not used, and why; `kind` is the same for all that are wrong in the same way."""

    kind: str
    reason: str


def read_message(payload: bytes, model: type[_M], *, name: str) -> _M | Refused:
    """Return the message in a payload, or why it is none of its kind; never raises."""
    if len(payload) > MAX_BYTES:
        return Refused(kind="size", reason=f"the {name} has {len(payload)} bytes, more than {MAX_BYTES}")
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return Refused(kind="form", reason=f"{place or name}: {first['msg'].lower()}")


class Refusals:
    """Counts refused messages of one kind; `told` hears of a reason that is new, of no kind twice in ten minutes.

    `returned` hears how many were refused when one is used again after that.
    """

    def __init__(self, told: Callable[[str], None], *, returned: Callable[[int], None] | None = None) -> None:
        self._told = told
        self._returned = returned
        self._newest: Refused | None = None
        self._is_told = False
        self._n_refused = 0
        # when each kind of reason was told last
        self._told_utc: dict[str, datetime] = {}
        self.n_total = 0

    def refuse(self, refused: Refused, utc: datetime) -> None:
        """Count a refusal, and tell of it where it is news."""
        news = self._newest is None or refused.reason != self._newest.reason
        told = self._told_utc.get(refused.kind)
        self._newest = refused
        self._n_refused += 1
        self.n_total += 1
        if news and (told is None or (utc - told).total_seconds() >= _TELL_AGAIN_S):
            self._told_utc[refused.kind] = utc
            self._is_told = True
            self._told(refused.reason)

    def take(self) -> None:
        """Note that a message is used, and tell of it after refusals that were told."""
        if self._is_told and self._returned is not None:
            self._returned(self._n_refused)
        self._newest, self._n_refused, self._is_told = None, 0, False
