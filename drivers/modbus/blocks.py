"""Decides which registers are read in which request. Pure: from a map's blocks and points to requests.

Batching is what makes polling cheap: a device needs 10 ms to 1 s per request, hardly more for 100 registers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

from drivers.modbus.layout import Address, Block, Point, Speed

_by_register = attrgetter("at.register")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRead:
    """One read request and the points that lie in its answer."""

    at: Address
    count: int
    points: tuple[Point, ...]


def plan_reads(blocks: Iterable[Block], points: Iterable[Point], *, max_registers: int) -> tuple[PlannedRead, ...]:
    """Return the requests that read the blocks, none longer than `max_registers`.

    A block that is too long is cut between points, never inside one. Blocks without points are not read.
    """
    points = tuple(points)
    return tuple(read for block in blocks for read in _split(block, points, max_registers))


def _split(block: Block, points: tuple[Point, ...], max_registers: int) -> Iterator[PlannedRead]:
    inside = sorted(filter(block.covers, points), key=_by_register)
    if not inside:
        return
    if block.count <= max_registers:
        yield PlannedRead(at=block.at, count=block.count, points=tuple(inside))
        return
    chunk: list[Point] = []
    for point in inside:
        if chunk and point.end - chunk[0].at.register > max_registers:
            yield _chunk_read(chunk)
            chunk = []
        chunk.append(point)
    yield _chunk_read(chunk)


def _chunk_read(chunk: list[Point]) -> PlannedRead:
    first = chunk[0].at
    return PlannedRead(at=first, count=max(point.end for point in chunk) - first.register, points=tuple(chunk))


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
    """Yield the points that no block covers entirely."""
    blocks = tuple(blocks)
    return (point for point in points if not any(block.covers(point) for block in blocks))


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
        if first.at.table is second.at.table
        and second.at.register < first.end
        and (first.at, first.coding.raw_type) != (second.at, second.coding.raw_type)
    )
