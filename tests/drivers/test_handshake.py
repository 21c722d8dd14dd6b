from collections.abc import Mapping
from dataclasses import replace

from drivers.device.jobs import NEVER_S, NoAnswer
from drivers.modbus.handshake import Handshake, MapScript, Met, Unknown
from drivers.modbus.layout import RegisterMap
from drivers.modbus.mapfile import load_map
from drivers.modbus.requests import Answered, ExceptionAnswer, Read, Request, Write

RETRY_S = 5.0
# 'Maker' and blanks, 'M1', 'S-0001', padded with NUL: eight registers each
IDENTITY = [
    *(0x4D61, 0x6B65, 0x7220, 0x2020, 0, 0, 0, 0),
    *(0x4D31, 0, 0, 0, 0, 0, 0, 0),
    *(0x532D, 0x3030, 0x3031, 0, 0, 0, 0, 0),
]


class Bench:
    """A handshake that is served by hand: each request is answered by what the test put for its first register."""

    def __init__(self, register_map: RegisterMap, *, watchdog_s: float | None = 12.0) -> None:
        self.results: list[Met | Unknown] = []
        self.requests: list[Request] = []
        self.now_s = 0.0
        self.handshake = Handshake(
            MapScript(register_map, watchdog_s=watchdog_s).run,
            retry_s=RETRY_S,
            finished=lambda result, _now_s: self.results.append(result),
        )

    def serve(self, registers: Mapping[int, list[int] | int]) -> None:
        """Answer until it wants nothing more; a number stands for an exception code."""
        while self.handshake.due_s <= self.now_s:
            request = self.handshake.request(self.now_s)
            assert request is not None
            self.requests.append(request)
            answer = registers[request.at.register]
            if isinstance(answer, int):
                self.handshake.done(ExceptionAnswer(answer, self.now_s))
            else:
                self.handshake.done(Answered(answer if isinstance(request, Read) else (), self.now_s))


def pcs_map() -> RegisterMap:
    return load_map("generic-pcs", ())


def test_the_identity_is_read_in_one_request_and_a_right_watchdog_is_left_alone() -> None:
    bench = Bench(pcs_map())

    bench.handshake.start(0.0)
    bench.serve({0: IDENTITY, 511: [12]})

    assert bench.results == [
        Met(
            identity={"manufacturer": "Maker", "model": "M1", "serial": "S-0001"},
            watchdog_fault=None,
            watchdog_armed=True,
        )
    ]
    assert [request.at.register for request in bench.requests] == [0, 511]
    assert not any(isinstance(request, Write) for request in bench.requests)
    assert bench.handshake.due_s == NEVER_S


def test_a_wrong_watchdog_time_is_written_and_read_back() -> None:
    bench = Bench(pcs_map())

    bench.handshake.start(0.0)
    bench.serve({0: IDENTITY, 511: [60]})

    assert [str(request) for request in bench.requests] == [
        "reading 24 registers at input:0",
        "reading 1 registers at holding:511",
        "writing 1 registers at holding:511",
        "reading 1 registers at holding:511",
    ]
    (result,) = bench.results
    assert isinstance(result, Met)
    assert result.watchdog_fault == "the watchdog time reads 60 s instead of 12 s"


def test_a_watchdog_that_cannot_be_set_is_a_fault() -> None:
    refused = Bench(pcs_map())
    too_long = Bench(pcs_map(), watchdog_s=1e6)

    for bench in (refused, too_long):
        bench.handshake.start(0.0)
        bench.serve({0: IDENTITY, 511: 2})

    faults = [
        result.watchdog_fault for bench in (refused, too_long) for result in bench.results if isinstance(result, Met)
    ]
    assert faults == [
        "the watchdog time cannot be set: exception 2 (no such register)",
        "the watchdog time cannot be set: 1e+06 does not fit into uint16",
    ]


def test_a_device_that_gives_no_name_is_asked_again_later() -> None:
    bench = Bench(pcs_map())

    bench.handshake.start(0.0)
    bench.serve({0: [0] * 24})
    bench.now_s = RETRY_S
    bench.serve({0: IDENTITY, 511: [12]})

    assert bench.results[0] == Unknown(reason="it gives no manufacturer and no model and no serial")
    assert isinstance(bench.results[1], Met)


def test_registers_that_hold_no_text_are_no_name() -> None:
    bench = Bench(pcs_map())

    bench.handshake.start(0.0)
    bench.serve({0: [0xFFFF] * 24})

    assert bench.results == [Unknown(reason="it gives no manufacturer and no model and no serial")]


def test_a_name_that_cannot_be_decoded_is_told_with_its_bytes() -> None:
    bench = Bench(pcs_map())

    bench.handshake.start(0.0)
    bench.serve({0: [*IDENTITY[:8], 0xE91B, *IDENTITY[9:]]})

    assert bench.results == [Unknown(reason="its model cannot be read: bytes E9 1B are no text")]


def test_an_identity_that_is_refused_leaves_the_device_unknown() -> None:
    bench = Bench(pcs_map())

    bench.handshake.start(0.0)
    bench.serve({0: 2})

    assert bench.results == [Unknown(reason="its identity cannot be read: exception 2 (no such register)")]
    assert bench.handshake.due_s == RETRY_S


def test_no_answer_ends_it_until_the_next_connection() -> None:
    bench = Bench(pcs_map())
    bench.handshake.start(0.0)
    bench.handshake.request(0.0)

    bench.handshake.done(NoAnswer("silent", 1.0))

    assert bench.handshake.due_s == NEVER_S
    assert bench.results == []


def test_a_map_without_identity_and_watchdog_has_nothing_to_ask() -> None:
    bare = replace(pcs_map(), identity={}, watchdog=None)
    bench = Bench(bare)

    bench.handshake.start(0.0)

    assert bench.results == [Met(identity={}, watchdog_fault=None)]
    assert bench.handshake.due_s == NEVER_S


def test_a_device_that_is_not_the_one_of_the_map_stays_unread() -> None:
    bench = Bench(replace(pcs_map(), expected={"model": "M2|M3", "manufacturer": "Maker"}))

    bench.handshake.start(0.0)
    bench.serve({0: IDENTITY})

    assert bench.results == [Unknown(reason="its model is 'M1', the map is for 'M2|M3'")]


def test_a_device_that_fits_the_expected_pattern_is_met() -> None:
    bench = Bench(replace(pcs_map(), expected={"model": "M[0-9]"}))

    bench.handshake.start(0.0)
    bench.serve({0: IDENTITY, 511: [12]})

    assert isinstance(bench.results[0], Met)
