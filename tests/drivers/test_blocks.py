from drivers.modbus.blocks import adjacent_blocks, overlapping_blocks, plan_reads, torn_points, unplaced
from drivers.modbus.layout import Address, Block, Coding, Point, PointType, Speed, Table


def at(register: int, table: Table = Table.HOLDING) -> Address:
    return Address(table=table, register=register)


def block(register: int, count: int, *, table: Table = Table.HOLDING) -> Block:
    return Block(at=at(register, table), count=count, speed=Speed.FAST)


def point(
    name: str, register: int, n_registers: int = 1, *, table: Table = Table.HOLDING, type_: PointType = PointType.UINT16
) -> Point:
    return Point(name=name, at=at(register, table), coding=Coding(type=type_), n_registers=n_registers)


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
