"""The clock of a process: real time, or accelerated time that several processes share."""

from dataclasses import dataclass
from datetime import UTC, datetime

from ems.errors import ConfigError, ConfigProblem
from ems.ports import Clock
from ems.runtime.clock import ScaledClock, SystemClock


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTime:
    """Simulated time: `speed` seconds per real second since `start`, which was at POSIX time `origin`."""

    start: datetime
    origin: float
    speed: float

    def text(self) -> str:
        """Return it as one command-line argument."""
        return f"{self.start.isoformat()},{self.origin!r},{self.speed!r}"

    def clock(self) -> ScaledClock:
        """Return a clock of it."""
        return ScaledClock(speed=self.speed, start=self.start, origin=self.origin)


def parse_shared_time(text: str) -> SharedTime:
    """Read what `SharedTime.text` wrote.

    Raises:
        ConfigError: It is something else.
    """
    try:
        start, origin, speed = text.split(",")
        return SharedTime(start=datetime.fromisoformat(start).astimezone(UTC), origin=float(origin), speed=float(speed))
    except ValueError as error:
        problem = ConfigProblem(file="--clock", message=f"'{text}' is no clock", allowed="START,ORIGIN,SPEED")
        raise ConfigError(problem) from error


def clock_for(text: str | None) -> tuple[Clock, float]:
    """Return the clock that an argument asks for, and its speed."""
    if text is None:
        return SystemClock(), 1.0
    shared = parse_shared_time(text)
    return shared.clock(), shared.speed
