"""Why a command is refused: a kind that is counted, and a sentence for who asked."""

from dataclasses import dataclass
from enum import StrEnum


class RefusalKind(StrEnum):
    """What is wrong with a command; one word for all that are wrong in the same way."""

    SIZE = "size"
    RETAINED = "retained"
    FORM = "form"
    TOPIC = "topic"
    SITE = "site"
    TIME = "time"
    KEY = "key"
    SIGNATURE = "signature"
    REPLAY = "replay"
    ROLE = "role"
    TWO_PERSON = "two_person"
    FLOOD = "flood"
    TARGET = "target"
    RANGE = "range"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A command that has no effect, and why."""

    kind: RefusalKind
    reason: str
