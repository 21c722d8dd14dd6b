"""Registers kept as the bytes that came."""

import pytest

from drivers.modbus.words import Words, bits_of, bytes_of


def test_words_are_the_registers_of_their_bytes() -> None:
    words = Words(bytes.fromhex("000A FFFF 0102"))

    assert list(words) == [10, 0xFFFF, 0x0102]
    assert (len(words), words[0], words[-1], words[1:]) == (3, 10, 0x0102, (0xFFFF, 0x0102))
    assert bytes_of(words) == bytes_of([10, 0xFFFF, 0x0102]) == words.data


@pytest.mark.parametrize(
    ("data", "count", "bits"), [("01", 1, (1,)), ("A5", 8, (1, 0, 1, 0, 0, 1, 0, 1)), ("0003", 10, (*[0] * 8, 1, 1))]
)
def test_bits_come_the_lowest_of_each_byte_first(data: str, count: int, bits: tuple[int, ...]) -> None:
    assert bits_of(bytes.fromhex(data), count) == bits
