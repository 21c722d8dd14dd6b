"""Two pseudo-terminals joined by a wire: each end is opened by the name of its device."""

import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def serial_wire() -> Iterator[tuple[str, str]]:
    """Give the names of the two ends for as long as the body runs."""
    (left, left_end), (right, right_end) = os.openpty(), os.openpty()
    for end in (left_end, right_end):
        tty.setraw(end)
    stop_here, stop = os.pipe()

    def carry() -> None:
        while stop_here not in (ready := select.select([left, right, stop_here], [], [])[0]):
            for source in ready:
                os.write(right if source == left else left, os.read(source, 4096))

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield os.ttyname(left_end), os.ttyname(right_end)
    finally:
        os.write(stop, b".")
        thread.join(10.0)
        for number in (left, left_end, right, right_end, stop_here, stop):
            os.close(number)
