import pytest

from drivers.modbus.frames import frame_fault

# transaction 7, protocol 0, length 7, unit 1, function 3, 4 bytes: 0x000A 0x0014
ANSWER = bytes.fromhex("0007 0000 0007 01 03 04 000A 0014")


def test_an_answer_has_no_fault_at_any_number_of_bytes_received() -> None:
    assert [frame_fault(ANSWER[:n], function=3) for n in range(len(ANSWER) + 1)] == [None] * (len(ANSWER) + 1)


@pytest.mark.parametrize(
    ("data", "function", "fault"),
    [
        (b"HTTP/1.1", 3, "this is no Modbus TCP"),
        (bytes.fromhex("0007 0000 0001 01"), 3, "a frame of 1 bytes"),
        (bytes.fromhex("0007 0000 0400 01"), 3, "a frame of 1024 bytes"),
        (ANSWER, 4, "an answer to function 3, asked for 4"),
        (bytes.fromhex("0007 0000 0007 01 03 06 000A 0014"), 3, "6 bytes of registers in a frame of 7"),
        (bytes.fromhex("0007 0000 0005 01 06 0001 02"), 6, "an answer to a write of 5 bytes"),
        (bytes.fromhex("0007 0000 0004 01 83 02 00"), 3, "an exception answer of 4 bytes"),
    ],
)
def test_what_cannot_become_the_answer_is_named(data: bytes, function: int, fault: str) -> None:
    assert frame_fault(data, function=function) == fault


def test_an_exception_answer_and_the_echo_of_a_write_are_answers() -> None:
    assert frame_fault(bytes.fromhex("0007 0000 0003 01 83 02"), function=3) is None
    assert frame_fault(bytes.fromhex("0007 0000 0006 01 10 0064 0002"), function=16) is None
