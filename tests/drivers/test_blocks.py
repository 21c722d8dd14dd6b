from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.blocks import adjacent_blocks, overlapping_blocks, plan_reads, torn_points, unplaced, unreadable
from drivers.modbus.coding import Address, Coding, PointType, Table
from drivers.modbus.layout import Block, Gaps, Point, Span, Speed


def at(register: int, table: Table = Table.HOLDING) -> Address:
    return Address(table=table, register=register)


def block(register: int, count: int, *, table: Table = Table.HOLDING) -> Block:
    return Block(at=at(register, table), count=count, speed=Speed.FAST)


def point(
    name: str,
    register: int,
    n_registers: int = 1,
    *,
    table: Table = Table.HOLDING,
    type_: PointType = PointType.UINT16,
    factor: int | None = None,
) -> Point:
    coding = Coding(type=type_, factor=None if factor is None else at(factor, table))
    return Point(name=name, at=at(register, table), coding=coding, n_registers=n_registers)


def test_a_short_block_is_read_in_one_request_with_its_gaps() -> None:
    reads = plan_reads([block(100, 20)], [point("a", 101), point("b", 110, 2)], max_registers=20)

    assert [(read.at.register, read.count) for read in reads] == [(100, 20)]
    assert [p.name for p in reads[0].points] == ["a", "b"]


def test_a_long_block_is_cut_between_points_and_never_inside_one() -> None:
    points = [point("a", 100, 2), point("b", 102, 4), point("c", 106, 2)]

    reads = plan_reads([block(100, 8)], points, max_registers=5)

    # a and b together would need 6 registers, b and c as well
    assert [(read.at.register, read.count) for read in reads] == [(100, 2), (102, 4), (106, 2)]


def test_flags_in_one_register_come_with_one_request() -> None:
    points = [point("a", 100), point("b", 100), point("c", 130)]

    reads = plan_reads([block(100, 31)], points, max_registers=10)

    assert [[p.name for p in read.points] for read in reads] == [["a", "b"], ["c"]]


def test_a_value_comes_with_its_scale_factor_in_one_request() -> None:
    scaled = point("a", 100, factor=140)
    points = [scaled, point("b", 110), point("c", 150)]

    reads = plan_reads([block(100, 51)], points, max_registers=45)

    # the factor at 140 needs 41 registers from 100; c does not fit any more
    assert [(read.at.register, read.count) for read in reads] == [(100, 41), (150, 1)]
    assert [p.name for p in reads[0].points] == ["a", "b"]


def test_gaps_that_the_device_does_not_answer_are_not_read() -> None:
    islands = Block(at=at(100), count=20, speed=Speed.FAST, gaps=Gaps.NEVER)

    reads = plan_reads([islands], [point("a", 100, 2), point("b", 102), point("c", 110)], max_registers=20)

    assert [(read.at.register, read.count) for read in reads] == [(100, 3), (110, 1)]


def test_no_request_goes_over_a_register_that_must_not_be_read() -> None:
    forbidden = [Span(at=at(105), count=2), Span(at=at(112, Table.INPUT), count=1)]
    points = [point("a", 100), point("b", 107), point("c", 115)]

    reads = plan_reads([block(100, 20)], points, max_registers=20, forbidden=forbidden)

    assert [(read.at.register, read.count) for read in reads] == [(100, 1), (107, 9)]


def test_coils_are_counted_by_their_own_limit() -> None:
    coils = [point(f"c{n}", 100 + n, table=Table.COIL, type_=PointType.BIT) for n in range(0, 200, 10)]

    reads = plan_reads([block(100, 200, table=Table.COIL)], coils, max_registers=4, max_bits=101)

    assert [(read.at.register, read.count) for read in reads] == [(100, 101), (210, 81)]


def test_what_no_request_can_read_is_found() -> None:
    far, closed, fine = point("far", 100, factor=150), point("closed", 120, 2), point("fine", 100)

    found = unreadable([far, closed, fine], max_registers=40, forbidden=[Span(at=at(121), count=1)])

    assert [(p.name, why) for p, why in found] == [
        ("far", "holding:121 must not be read"),
        ("closed", "holding:121 must not be read"),
    ]
    assert [p.name for p, _ in unreadable([far, fine], max_registers=40)] == ["far"]


@settings(deadline=None)
@given(
    starts=st.lists(st.tuples(st.integers(0, 300), st.sampled_from([1, 2, 4]), st.integers(-20, 20)), max_size=25),
    most=st.integers(26, 125),
    gaps=st.sampled_from(Gaps),
)
def test_every_point_is_read_once_and_whole_within_the_limit(
    starts: list[tuple[int, int, int]], most: int, gaps: Gaps
) -> None:
    points = [
        point(f"p{number}", 50 + start, size, factor=50 + start + away if abs(away) > 5 else None)
        for number, (start, size, away) in enumerate(starts)
    ]
    whole = Block(at=at(0), count=400, speed=Speed.FAST, gaps=gaps)

    reads = plan_reads([whole], points, max_registers=most)

    assert sorted(p.name for read in reads for p in read.points) == sorted(p.name for p in points)
    for read in reads:
        assert read.count <= most
        assert all(
            read.at.register <= p.first_needed and p.end_needed <= read.at.register + read.count for p in read.points
        )


def test_a_block_without_points_is_not_read() -> None:
    assert plan_reads([block(100, 5)], [point("a", 200)], max_registers=10) == ()


def test_the_same_number_in_the_other_table_is_another_register() -> None:
    points = [point("a", 100, table=Table.INPUT)]

    assert plan_reads([block(100, 5)], points, max_registers=10) == ()
    assert list(unplaced([block(100, 5)], points)) == points


def test_neighbours_form_a_block_and_gaps_separate() -> None:
    points = [point("c", 120, 8), point("a", 100, 8), point("b", 108, 8)]

    blocks = adjacent_blocks(points, speed=Speed.SLOW)

    assert [(b.at.register, b.count) for b in blocks] == [(100, 16), (120, 8)]


def test_a_point_that_a_block_covers_in_part_only_has_no_place() -> None:
    half_inside = point("a", 104, 2)

    assert list(unplaced([block(100, 5)], [half_inside])) == [half_inside]


def test_blocks_that_share_a_register_overlap_but_neighbours_do_not() -> None:
    assert list(overlapping_blocks([block(100, 5), block(105, 5)])) == []
    assert len(list(overlapping_blocks([block(100, 6), block(105, 5)]))) == 1
    assert list(overlapping_blocks([block(100, 6), block(105, 5, table=Table.INPUT)])) == []


def test_points_may_share_a_register_only_when_both_read_it_alike() -> None:
    flag = point("flag", 100, type_=PointType.BIT)
    word = point("word", 100)
    signed = point("signed", 100, type_=PointType.INT16)
    long = point("long", 99, 2, type_=PointType.UINT32)

    assert list(torn_points([flag, word])) == []
    assert list(torn_points([word, signed])) == [(word, signed)]
    assert list(torn_points([word, long])) == [(long, word)]
