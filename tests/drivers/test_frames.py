"""Answers in the bytes of a Modbus TCP connection."""

import pytest

from drivers.modbus.coding import Address, Table
from drivers.modbus.expected import Expected, Fault
from drivers.modbus.frames import TcpAnswers
from drivers.modbus.requests import Read, Request, Write
from drivers.modbus.statistics import ErrorKind

# transaction 7, protocol 0, length 7, unit 1, function 3, 4 bytes: 0x000A 0x0014
ANSWER = bytes.fromhex("0007 0000 0007 01 03 04 000A 0014")
# the answer to the request before
OLD = bytes.fromhex("0006 0000 0007 01 03 04 0BAD 0BAD")
AT = Address(table=Table.HOLDING, register=100)
READ = Read(at=AT, count=2)
SENT = bytes.fromhex("0007 0000 0006 01 03 0064 0002")


def waiting(request: Request = READ) -> TcpAnswers:
    answers = TcpAnswers()
    answers.expect(Expected.of(1, request), request, SENT)
    return answers


def fed(data: bytes, request: Request = READ) -> bytes | Fault | None:
    return waiting(request).feed(data)


@pytest.mark.parametrize("cut", range(len(ANSWER)))
def test_an_answer_is_found_however_it_is_cut(cut: int) -> None:
    answers = waiting()

    assert answers.feed(ANSWER[:cut]) is None
    assert answers.feed(ANSWER[cut:]) == ANSWER


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        (b"HTTP/1.1", ErrorKind.MALFORMED, "this is no Modbus TCP"),
        (bytes.fromhex("0007 0000 0001 01"), ErrorKind.MALFORMED, "a frame of 1 bytes"),
        (bytes.fromhex("0007 0000 0400 01"), ErrorKind.MALFORMED, "a frame of 1024 bytes"),
        (ANSWER[:7] + b"\x04" + ANSWER[8:], ErrorKind.WRONG_FUNCTION, "an answer to function 4, asked for 3"),
        (ANSWER[:6] + b"\x05" + ANSWER[7:], ErrorKind.WRONG_UNIT, "an answer of unit 5"),
        (
            bytes.fromhex("0007 0000 0007 01 03 06 000A 0014"),
            ErrorKind.MALFORMED,
            "6 bytes of registers in an answer of 6",
        ),
        (bytes.fromhex("0007 0000 0005 01 03 02 000A"), ErrorKind.SHORT, "2 bytes of values instead of 4"),
        (bytes.fromhex("0007 0000 0003 01 03 00"), ErrorKind.SHORT, "0 bytes of values instead of 4"),
        (bytes.fromhex("0007 0000 0004 01 83 02 00"), ErrorKind.MALFORMED, "an exception answer of 3 bytes"),
    ],
)
def test_what_is_no_answer_is_named(data: bytes, kind: ErrorKind, reason: str) -> None:
    assert fed(data) == Fault(kind, reason)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("0007 0000 0005 01 06 0064 02", "an answer to a write of 4 bytes"),
        ("0007 0000 0006 01 06 0065 0002", "wrote 101 instead of 100"),
    ],
)
def test_what_does_not_confirm_a_write_is_named(data: str, reason: str) -> None:
    found = fed(bytes.fromhex(data), Write(at=AT, registers=(2,), function=6))

    assert found == Fault(ErrorKind.MALFORMED, reason)


def test_an_exception_answer_and_the_echo_of_a_write_are_answers() -> None:
    exception = bytes.fromhex("0007 0000 0003 01 83 02")
    echo = bytes.fromhex("0007 0000 0006 01 10 0064 0002")

    assert fed(exception) == exception
    assert fed(echo, Write(at=AT, registers=(1, 2), function=16)) == echo


COILS = Address(table=Table.COIL, register=5)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        # nine bits are two bytes
        (Read(at=COILS, count=9), "0007 0000 0005 01 01 02 FF01"),
        (Write(at=COILS, registers=(1,), function=5), "0007 0000 0006 01 05 0005 FF00"),
        (Write(at=COILS, registers=(1, 0, 1), function=15), "0007 0000 0006 01 0F 0005 0003"),
    ],
)
def test_bits_are_answered_in_bytes_and_confirmed_as_the_protocol_says(request_: Request, answer: str) -> None:
    assert fed(bytes.fromhex(answer), request_) == bytes.fromhex(answer)


def test_too_few_bits_are_named() -> None:
    found = fed(bytes.fromhex("0007 0000 0004 01 01 01 FF"), Read(at=COILS, count=9))

    assert found == Fault(ErrorKind.SHORT, "1 bytes of values instead of 2")


@pytest.mark.parametrize("cut", range(len(OLD) + 1))
def test_an_answer_with_another_number_is_dropped_wherever_it_is_cut_by_the_request(cut: int) -> None:
    answers = TcpAnswers()

    before = answers.feed(OLD[:cut])
    answers.expect(Expected.of(1, READ), READ, SENT)
    after = answers.feed(OLD[cut:])
    found = answers.feed(ANSWER)

    assert (before, after, found) == (None, None, ANSWER)
    assert answers.n_dropped == 1


def test_a_doubled_answer_is_used_once() -> None:
    answers = waiting()
    first = answers.feed(ANSWER + ANSWER)
    answers.give_up()
    answers.expect(Expected.of(1, READ), READ, bytes.fromhex("0008") + SENT[2:])

    second = answers.feed(b"")

    assert (first, second) == (ANSWER, None)
    assert answers.n_dropped == 1


def test_noise_without_a_request_is_forgotten() -> None:
    answers = TcpAnswers()

    noise = answers.feed(b"HTTP/1.1 400 Bad Request")
    answers.expect(Expected.of(1, READ), READ, SENT)

    assert noise is None
    assert answers.feed(ANSWER) == ANSWER
