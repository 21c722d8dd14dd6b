"""Devices whose Modbus side is somebody else's code: pyModbusTCP, and libmodbus over TCP and on a serial line."""

import ctypes
import ctypes.util
import select
import socket
import threading
from collections.abc import Sequence
from typing import Any, Final, Protocol

from pyModbusTCP.server import DataBank, ModbusServer

N_HOLDING: Final = 600
UNIT: Final = 1
_LIBRARY: Final = ctypes.util.find_library("modbus") or "libmodbus.so.5"
_WAIT_US: Final = 100_000
_TIMED_OUT: Final = 110
_LONGEST_MESSAGE: Final = 260


class Registers(Protocol):
    """A device with registers that a test may fill and look at, whether it answers or not."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def show(self, at: int, words: Sequence[int]) -> None: ...
    def written(self, at: int, count: int) -> list[int]: ...


class PyModbusTcpDevice:
    """A server of pyModbusTCP on a free port, which it keeps over a restart."""

    def __init__(self, n_input: int) -> None:
        self.port = _free_port()
        self._bank = DataBank(h_regs_size=N_HOLDING, i_regs_size=n_input)
        self._server: Any = None

    def start(self) -> None:
        self._server = ModbusServer("127.0.0.1", self.port, no_block=True, data_bank=self._bank)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def show(self, at: int, words: Sequence[int]) -> None:
        self._bank.set_input_registers(at, list(words))

    def written(self, at: int, count: int) -> list[int]:
        return list(self._bank.get_holding_registers(at, count))


class _Mapping(ctypes.Structure):
    """modbus_mapping_t of modbus.h, libmodbus 3.1."""

    _fields_ = (
        ("nb_bits", ctypes.c_int),
        ("start_bits", ctypes.c_int),
        ("nb_input_bits", ctypes.c_int),
        ("start_input_bits", ctypes.c_int),
        ("nb_input_registers", ctypes.c_int),
        ("start_input_registers", ctypes.c_int),
        ("nb_registers", ctypes.c_int),
        ("start_registers", ctypes.c_int),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    )


def libmodbus() -> Any:  # a library of C functions
    """Return the library with its signatures, or None where it is not installed."""
    try:
        library = ctypes.CDLL(_LIBRARY, use_errno=True)
    except OSError:
        return None
    context = ctypes.c_void_p
    library.modbus_new_tcp.restype = library.modbus_new_rtu.restype = context
    library.modbus_new_tcp.argtypes = [ctypes.c_char_p, ctypes.c_int]
    library.modbus_new_rtu.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_char, ctypes.c_int, ctypes.c_int]
    library.modbus_mapping_new.restype = ctypes.POINTER(_Mapping)
    library.modbus_mapping_free.argtypes = [ctypes.POINTER(_Mapping)]
    library.modbus_tcp_listen.argtypes = library.modbus_set_slave.argtypes = [context, ctypes.c_int]
    library.modbus_tcp_accept.argtypes = [context, ctypes.POINTER(ctypes.c_int)]
    library.modbus_set_indication_timeout.argtypes = [context, ctypes.c_uint32, ctypes.c_uint32]
    library.modbus_receive.argtypes = [context, ctypes.c_char_p]
    library.modbus_reply.argtypes = [context, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(_Mapping)]
    for function in (library.modbus_connect, library.modbus_close, library.modbus_free):
        function.argtypes = [context]
    return library


class LibmodbusDevice:
    """libmodbus in a thread: on a free TCP port, or on the serial line that it is given."""

    def __init__(self, n_input: int, *, line: str | None = None) -> None:
        self.port = _free_port()
        self._line = line
        self._library = libmodbus()
        self._mapping = self._library.modbus_mapping_new(0, 0, N_HOLDING, n_input)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        ready = threading.Event()
        serve = self._serve_tcp if self._line is None else self._serve_line
        self._thread = threading.Thread(target=serve, args=(ready,))
        self._thread.start()
        assert ready.wait(10.0), "libmodbus does not start"

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10.0)
            assert not self._thread.is_alive(), "libmodbus does not stop"

    def show(self, at: int, words: Sequence[int]) -> None:
        mapping = self._mapping.contents
        assert at + len(words) <= mapping.nb_input_registers
        for offset, word in enumerate(words):
            mapping.tab_input_registers[at + offset] = word

    def written(self, at: int, count: int) -> list[int]:
        return [int(word) for word in self._mapping.contents.tab_registers[at : at + count]]

    def _serve_tcp(self, ready: threading.Event) -> None:
        context = self._library.modbus_new_tcp(b"127.0.0.1", self.port)
        listening = socket.socket(fileno=self._library.modbus_tcp_listen(context, 1))
        self._library.modbus_set_indication_timeout(context, 0, _WAIT_US)
        ready.set()
        with listening:
            while not self._stopping.is_set():
                if select.select([listening], [], [], _WAIT_US / 1e6)[0]:
                    number = ctypes.c_int(listening.fileno())
                    self._library.modbus_tcp_accept(context, ctypes.byref(number))
                    self._answer(context)
                    self._library.modbus_close(context)
        self._library.modbus_free(context)

    def _serve_line(self, ready: threading.Event) -> None:
        assert self._line is not None
        context = self._library.modbus_new_rtu(self._line.encode(), 115_200, b"N", 8, 1)
        self._library.modbus_set_slave(context, UNIT)
        self._library.modbus_set_indication_timeout(context, 0, _WAIT_US)
        if self._library.modbus_connect(context) == 0:
            ready.set()
        while not self._stopping.is_set():
            self._answer(context)
        self._library.modbus_close(context)
        self._library.modbus_free(context)

    def _answer(self, context: int) -> None:
        """Answer what comes until the peer is gone or the device is stopped."""
        request = ctypes.create_string_buffer(_LONGEST_MESSAGE)
        while not self._stopping.is_set():
            length = self._library.modbus_receive(context, request)
            if length > 0:
                self._library.modbus_reply(context, request, length, self._mapping)
            elif length < 0 and ctypes.get_errno() != _TIMED_OUT:
                return


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
