"""`ems devices read` and `watch`: the points of one device, with registers where it has a map."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from drivers.modbus.inquiry import Inquiry, Witness
from drivers.modbus.layout import RegisterMap
from drivers.modbus.link import ModbusLink
from drivers.modbus.readout import read_out
from ems.app.commissioning.endpoints import running
from ems.app.commissioning.rows import (
    PointRow,
    changes,
    documents,
    map_rows,
    reading_rows,
    sameness,
    table_text,
    topic_places,
)
from ems.app.commissioning.targets import Target
from ems.errors import DeviceUnreachableError
from ems.model.device import LinkSpec
from ems.ports import Clock, Device

_LOOK_AGAIN_S = 0.05
# connecting, handshake and the first slow round, each of which may cost a time-out
_FIRST_READING_TIMEOUTS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """The points of a device once; `changed` names those that were another value the time before."""

    target: Target
    at: str
    rows: tuple[PointRow, ...]
    changed: frozenset[str] = frozenset()
    is_first: bool = True

    @property
    def document(self) -> dict[str, object]:
        """Return it as JSON."""
        spec = self.target.spec
        return {
            "device": spec.id,
            "link": self.target.link.id,
            "unit": spec.unit,
            "map": spec.map,
            "ts": self.at,
            "points": documents(self.rows),
            "changed": sorted(self.changed),
            "hint": sameness(self.rows),
        }

    @property
    def text(self) -> str:
        """Return it as a table."""
        told = f"{self.target.title}\n{table_text(self.rows, changed=self.changed)}"
        hint = sameness(self.rows)
        return told if hint is None else f"{told}\n{hint}"


Look = Callable[[], Awaitable[tuple[PointRow, ...]]]


async def read(target: Target, *, clock: Clock) -> ReadResult:
    """Read a device once.

    Raises:
        DeviceUnreachableError: It does not answer.
        ConfigError: Its driver or map cannot be used.
    """
    async with looking(target, clock=clock) as look:
        rows = await look()
    return ReadResult(target=target, at=_stamp(clock), rows=rows)


async def watch(
    target: Target, *, every_s: float, n_rounds: int | None, clock: Clock, told: Callable[[ReadResult], None]
) -> None:
    """Read a device again and again, and tell each time; None goes on until it is cancelled.

    Raises:
        DeviceUnreachableError: It does not answer the first time; later that is told like everything else.
        ConfigError: Its driver or map cannot be used.
    """
    before: Sequence[PointRow] = ()
    async with looking(target, clock=clock) as look:
        n_done = 0
        while n_rounds is None or n_done < n_rounds:
            next_s = clock.monotonic_s() + every_s
            try:
                rows = await look()
            except DeviceUnreachableError as error:
                if not before:
                    raise
                rows = tuple(_lost(row, str(error)) for row in before)
            marked = changes(before, rows) if before else frozenset()
            told(ReadResult(target=target, at=_stamp(clock), rows=rows, changed=marked, is_first=not before))
            before, n_done = rows, n_done + 1
            if n_done != n_rounds:
                await clock.sleep(max(0.0, next_s - clock.monotonic_s()))


@asynccontextmanager
async def looking(target: Target, *, clock: Clock, witness: Witness | None = None) -> AsyncIterator[Look]:
    """Hand out the function that reads all points of a device, over one connection."""
    register_map = target.register_map()
    link = target.new_link(clock)
    if register_map is None or not isinstance(link, ModbusLink):
        device = target.build(link, clock)
        async with running(link):
            yield lambda: _by_driver(device, target, clock)
    else:
        inquiry = Inquiry(target.spec.unit, link, witness=witness)
        async with running(link):
            yield lambda: _by_map(inquiry, register_map, target, clock)


async def first_reading(device: Device, target: Target, clock: Clock) -> None:
    """Wait until a device has been read.

    Raises:
        DeviceUnreachableError: It was not within a number of time-outs.
    """
    connect_s = target.link.connect_delay_s if isinstance(target.link, LinkSpec) else 0.0
    limit_s = target.spec.slow_s + _FIRST_READING_TIMEOUTS * target.link.timeout_s + connect_s
    try:
        async with clock.timeout(limit_s):
            while device.reading() is None:
                await clock.sleep(_LOOK_AGAIN_S)
    except TimeoutError as error:
        raise DeviceUnreachableError(device.trouble() or "not read in time", device=target.spec.id) from error


async def _by_map(inquiry: Inquiry, register_map: RegisterMap, target: Target, clock: Clock) -> tuple[PointRow, ...]:
    readings = await read_out(inquiry, register_map)
    if all(reading.words is None for reading in readings):
        raise DeviceUnreachableError(readings[0].reason, device=target.spec.id)
    return map_rows(readings, now_s=clock.monotonic_s())


async def _by_driver(device: Device, target: Target, clock: Clock) -> tuple[PointRow, ...]:
    await first_reading(device, target, clock)
    reading = device.reading()
    if reading is None:
        raise DeviceUnreachableError(device.trouble() or "no reading", device=target.spec.id)
    topic_map = target.topic_map()
    places = {} if topic_map is None else topic_places(topic_map, target.spec.name or "")
    return reading_rows(reading, now_s=clock.monotonic_s(), places=places)


def _lost(row: PointRow, reason: str) -> PointRow:
    return PointRow(
        point=row.point,
        at=row.at,
        document=row.document,
        words=None,
        value=None,
        unit=row.unit,
        quality="bad",
        reason=reason,
        age_s=row.age_s,
    )


def _stamp(clock: Clock) -> str:
    return clock.utc().isoformat(timespec="milliseconds").replace("+00:00", "Z")
