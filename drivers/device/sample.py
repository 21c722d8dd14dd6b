"""The values of a device that belong together: those of one round of requests, or of one message."""

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.device.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The points of one round; `at_s` is the time of the oldest answer in it.

    `refusal` is set when the device answered every block with an exception, so that there is no value at all;
    `monotone` when every register of the round is 0, or every one 0xFFFF, as in a device that starts.
    """

    values: Mapping[str, Value | None]
    bad: Mapping[str, str]
    at_s: float
    refusal: str | None = None
    monotone: int | None = None
