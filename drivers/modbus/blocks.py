"""Decides which registers are read in which request. Pure: from a map's blocks and points to requests.

Batching is what makes polling cheap: a device needs 10 ms to 1 s per request, hardly more for 100 registers.
A value, and a scale factor with its value, always come in one request.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

from drivers.modbus.coding import Address
from drivers.modbus.layout import Block, Gaps, Point, Span, Speed

# the protocol's limits for one read (Modbus Application Protocol V1.1b3, 6.1 to 6.4)
MOST_REGISTERS = 125
MOST_BITS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRead:
    """One read request and the points that lie in its answer."""

    at: Address
    count: int
    points: tuple[Point, ...]


def plan_reads(
    blocks: Iterable[Block],
    points: Iterable[Point],
    *,
    max_registers: int,
    max_bits: int = MOST_BITS,
    forbidden: Sequence[Span] = (),
) -> tuple[PlannedRead, ...]:
    """Return the requests that read the blocks, none longer than the device allows, none over a forbidden register.

    A block is cut where it is too long, and at gaps that may not be read, but never inside what has to come in
    one answer. Blocks without points are not read.
    """
    points = tuple(points)
    return tuple(
        read
        for block in blocks
        for read in _split(block, points, max_bits if block.at.table.holds_bits else max_registers, forbidden)
    )


def _split(block: Block, points: tuple[Point, ...], most: int, forbidden: Sequence[Span]) -> Iterator[PlannedRead]:
    inside = sorted(filter(block.covers, points), key=attrgetter("first_needed", "end_needed"))
    if not inside:
        return
    closed = tuple(span for span in forbidden if span.at.table is block.at.table)
    if block.count <= most and block.gaps is Gaps.READ and not any(_crosses(block.at.register, block.end, closed)):
        yield PlannedRead(at=block.at, count=block.count, points=tuple(inside))
        return
    chunk: list[Point] = []
    first = end = 0
    for point in inside:
        if chunk and not _fits(point, first, end, block=block, most=most, closed=closed):
            yield _chunk_read(chunk)
            chunk = []
        first = min(first, point.first_needed) if chunk else point.first_needed
        end = max(end, point.end_needed) if chunk else point.end_needed
        chunk.append(point)
    yield _chunk_read(chunk)


def _fits(point: Point, first: int, end: int, *, block: Block, most: int, closed: Sequence[Span]) -> bool:
    """Return whether a chunk that covers [first, end) may also hold the point."""
    if block.gaps is Gaps.NEVER and point.first_needed > end:
        return False
    longer = max(end, point.end_needed)
    return longer - first <= most and not any(_crosses(first, longer, closed))


def _crosses(first: int, end: int, spans: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans that share an address with [first, end) of their table."""
    return (span for span in spans if span.at.register < end and first < span.end)


def _chunk_read(chunk: list[Point]) -> PlannedRead:
    first = min(point.first_needed for point in chunk)
    at = Address(table=chunk[0].at.table, register=first)
    return PlannedRead(at=at, count=max(point.end_needed for point in chunk) - first, points=tuple(chunk))


def adjacent_blocks(points: Iterable[Point], *, speed: Speed) -> tuple[Block, ...]:
    """Return the blocks that the points form by themselves: neighbours are joined, gaps are never read."""
    blocks: list[Block] = []
    for point in sorted(points, key=lambda point: (point.at.table, point.at.register)):
        last = blocks[-1] if blocks else None
        if last is not None and last.at.table is point.at.table and last.end == point.at.register:
            blocks[-1] = Block(at=last.at, count=last.count + point.n_registers, speed=speed)
        else:
            blocks.append(Block(at=point.at, count=point.n_registers, speed=speed))
    return tuple(blocks)


def unplaced(blocks: Iterable[Block], points: Iterable[Point]) -> Iterator[Point]:
    """Yield the points that no block covers entirely, with their scale factors."""
    blocks = tuple(blocks)
    return (point for point in points if not any(block.covers(point) for block in blocks))


def unreadable(
    points: Iterable[Point], *, max_registers: int, max_bits: int = MOST_BITS, forbidden: Sequence[Span] = ()
) -> Iterator[tuple[Point, str]]:
    """Yield the points that no single allowed request can read, with the reason."""
    for point in points:
        most = max_bits if point.at.table.holds_bits else max_registers
        n_needed = point.end_needed - point.first_needed
        closed = (span for span in forbidden if span.at.table is point.at.table)
        if (crossed := next(_crosses(point.first_needed, point.end_needed, closed), None)) is not None:
            yield point, f"{crossed} must not be read"
        elif n_needed > most:
            yield point, f"it needs {n_needed} registers in one answer, the device gives {most}"


def overlapping_blocks(blocks: Iterable[Block]) -> Iterator[tuple[Block, Block]]:
    """Yield neighbouring blocks that share registers."""
    ordered = sorted(blocks, key=lambda block: (block.at.table, block.at.register))
    return (
        (first, second)
        for first, second in pairwise(ordered)
        if first.at.table is second.at.table and second.at.register < first.end
    )


def torn_points(points: Iterable[Point]) -> Iterator[tuple[Point, Point]]:
    """Yield neighbouring points that share registers, unless both read the same ones in the same way as flags do."""
    ordered = sorted(points, key=lambda point: (point.at.table, point.at.register, point.n_registers))
    return (
        (first, second)
        for first, second in pairwise(ordered)
        if first.at.table is second.at.table and second.at.register < first.end and (_way(first) != _way(second))
    )


def _way(point: Point) -> tuple[object, ...]:
    """Return what has to be equal for two points to share registers."""
    coding = point.coding
    word_order = coding.word_order if point.n_registers > 1 else None
    return point.at, point.n_registers, coding.raw_type, word_order, coding.byte_order
