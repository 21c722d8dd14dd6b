"""What can be wrong with an endpoint, as a value that is replaced as a whole while the server runs."""

from dataclasses import dataclass
from typing import Final

# what a web server in the wrong place would say: long enough to be no Modbus TCP header
GARBAGE: Final = b"HTTP/1.1 400 Bad Request\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of one endpoint; without arguments there is none.

    `refuse` closes the port and every connection. The others concern the requests to `units` (None: to all):
    `mute` never answers, `delay_s` answers late, `exception_code` answers with that exception, `garbage` with
    bytes that are no Modbus, `missing_registers` gives too few registers, `frozen` shows old values.
    """

    refuse: bool = False
    units: frozenset[int] | None = None
    mute: bool = False
    delay_s: float = 0.0
    exception_code: int | None = None
    garbage: bool = False
    missing_registers: int = 0
    frozen: bool = False

    def concern(self, unit: int) -> bool:
        """Return whether requests to a unit are affected."""
        return self.units is None or unit in self.units


NO_FAULTS: Final = Faults()
