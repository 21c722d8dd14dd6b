"""Answers in the bytes of a serial line, and those that come late."""

import pytest

from drivers.modbus.coding import Address, Table
from drivers.modbus.expected import Expected, Fault
from drivers.modbus.requests import Read, Request, Write
from drivers.modbus.rtuframes import RtuAnswers, crc_bytes
from drivers.modbus.statistics import ErrorKind

AT = Address(table=Table.HOLDING, register=100)
READ = Read(at=AT, count=2)
OTHER_BLOCK = Read(at=Address(table=Table.HOLDING, register=200), count=2)
LONGER = Read(at=AT, count=3)


def framed(body: str) -> bytes:
    data = bytes.fromhex(body)
    return data + crc_bytes(data)


ANSWER = framed("01 03 04 000A 0014")
LATE = framed("01 03 04 0BAD 0BAD")
LONGER_ANSWER = framed("01 03 06 000A 0014 001E")
EXCEPTION = framed("01 83 06")


def waiting(request: Request = READ, *, unit: int = 1) -> RtuAnswers:
    answers = RtuAnswers()
    answers.expect(Expected.of(unit, request), request, b"")
    return answers


def owing(request: Request = READ, *, unit: int = 1) -> RtuAnswers:
    """Return a line on which one request was not answered in time."""
    answers = waiting(request, unit=unit)
    answers.give_up()
    return answers


def test_the_crc_is_that_of_the_guide() -> None:
    # "MODBUS over Serial Line" V1.02: 02 07 has the CRC 0x1241, low byte first
    assert crc_bytes(bytes.fromhex("02 07")) == bytes.fromhex("41 12")


@pytest.mark.parametrize("cut", range(len(ANSWER)))
def test_an_answer_is_found_however_it_is_cut(cut: int) -> None:
    answers = waiting()

    assert answers.feed(ANSWER[:cut]) is None
    assert answers.feed(ANSWER[cut:]) == ANSWER


@pytest.mark.parametrize("bit", range(8 * len(ANSWER)))
def test_a_flipped_bit_never_passes(bit: int) -> None:
    damaged = bytearray(ANSWER)
    damaged[bit // 8] ^= 1 << bit % 8

    assert not isinstance(waiting().feed(bytes(damaged)), bytes)


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        (ANSWER[:-1] + b"\0", ErrorKind.CHECKSUM, "the check sum of the answer is wrong"),
        (b"HTTP/1.1", ErrorKind.MALFORMED, "bytes 48 54 54 50 2f 31 2e 31 begin no answer"),
        (framed("05 03 04 000A 0014"), ErrorKind.WRONG_UNIT, "an answer of unit 5"),
        (framed("01 04 04 000A 0014"), ErrorKind.WRONG_FUNCTION, "an answer to function 4, asked for 3"),
        (framed("01 03 02 000A"), ErrorKind.SHORT, "2 bytes of values instead of 4"),
    ],
)
def test_what_is_no_answer_is_named(data: bytes, kind: ErrorKind, reason: str) -> None:
    assert waiting().feed(data) == Fault(kind, reason)


@pytest.mark.parametrize("data", [EXCEPTION, ANSWER])
def test_an_exception_is_an_answer_as_well(data: bytes) -> None:
    assert waiting().feed(data) == data


@pytest.mark.parametrize("cut", range(len(LATE) + 1))
def test_a_late_answer_never_becomes_that_of_another_read_at_whatever_moment_it_comes(cut: int) -> None:
    answers = owing()

    before = answers.feed(LATE[:cut]) if cut else None
    answers.expect(Expected.of(1, LONGER), LONGER, b"")
    during = answers.feed(LATE[cut:])

    assert before is None
    # dropped as the late one, or not understood if its beginning was dropped before: never taken
    assert during is None or isinstance(during, Fault)


def test_after_a_late_answer_the_one_that_is_waited_for_is_taken() -> None:
    answers = owing()
    answers.expect(Expected.of(1, LONGER), LONGER, b"")

    assert answers.feed(LATE) is None
    assert answers.feed(LONGER_ANSWER) == LONGER_ANSWER
    assert answers.n_dropped == 1


def test_a_read_whose_answer_would_look_like_the_late_one_is_preceded_by_a_probe() -> None:
    answers = owing()

    assert answers.probe(1, OTHER_BLOCK) == Read(at=AT, count=1)
    assert answers.probe(1, LONGER) is None
    assert answers.probe(2, OTHER_BLOCK) is None
    assert answers.probe(1, Write(at=AT, registers=(1,), function=6)) is None


def test_probes_of_bits_differ_by_whole_bytes() -> None:
    coils = Read(at=Address(table=Table.COIL, register=5), count=8)

    assert owing(coils).probe(1, coils) == Read(at=coils.at, count=9)


def test_a_probe_that_is_answered_ends_the_doubt() -> None:
    answers = owing()
    probe = answers.probe(1, READ)
    assert probe is not None
    answers.expect(Expected.of(1, probe), probe, b"")

    late = answers.feed(LATE)
    answered = answers.feed(framed("01 03 02 000A"))

    assert late is None
    assert answered == framed("01 03 02 000A")
    assert answers.probe(1, READ) is None


def test_probes_that_are_not_answered_differ_from_one_another() -> None:
    answers, counts = owing(), []
    for _ in range(3):
        probe = answers.probe(1, READ)
        assert probe is not None
        counts.append(probe.count)
        answers.expect(Expected.of(1, probe), probe, b"")
        answers.give_up()

    # 2 is the length of the first late answer
    assert counts == [1, 3, 4]
    # by now nobody will answer the first probe any more
    assert answers.probe(1, READ) == Read(at=AT, count=1)


def test_an_exception_leaves_open_which_request_it_answers() -> None:
    answers = owing()
    answers.expect(Expected.of(1, LONGER), LONGER, b"")

    assert answers.feed(EXCEPTION) == EXCEPTION
    # if it belonged to the first read, the answer to the second one is still to come
    assert answers.probe(1, LONGER) == Read(at=AT, count=1)


def test_the_late_answer_of_one_unit_does_not_end_the_request_to_another() -> None:
    answers = owing(unit=1)
    answers.expect(Expected.of(2, READ), READ, b"")

    assert answers.feed(LATE) is None
    assert answers.feed(framed("02 03 04 000A 0014")) == framed("02 03 04 000A 0014")


def test_the_confirmation_of_an_earlier_count_is_not_that_of_the_next() -> None:
    def beat(count: int) -> Write:
        return Write(at=AT, registers=(count,), function=6)

    answers = owing(beat(7))
    answers.expect(Expected.of(1, beat(8)), beat(8), b"")

    assert answers.feed(framed("01 06 0064 0007")) is None
    assert answers.feed(framed("01 06 0064 0008")) == framed("01 06 0064 0008")


def test_two_writes_of_several_registers_are_told_apart_by_a_read_between() -> None:
    write = Write(at=AT, registers=(1, 2), function=16)

    assert owing(write).probe(1, write) == Read(at=AT, count=1)


def test_what_comes_without_a_request_is_dropped() -> None:
    answers = RtuAnswers()

    assert answers.feed(LATE) is None
    answers.expect(Expected.of(1, READ), READ, b"")
    assert answers.feed(ANSWER) == ANSWER
    assert answers.n_dropped == 1


@pytest.mark.parametrize(
    ("data", "crc"),
    # the frame of the guide's section 6.2.2 and one of an odd length, by hand; no byte leaves the register as it began
    [("02 07", "41 12"), ("02", "3E 81"), ("", "FF FF")],
)
def test_check_sums_of_even_and_odd_frames(data: str, crc: str) -> None:
    assert crc_bytes(bytes.fromhex(data)) == bytes.fromhex(crc)
