"""How long a line must be silent between two frames."""

from typing import Final

from ems.model.device import Parity, SerialLine, TcpEndpoint

# "MODBUS over Serial Line" V1.02, section 2.5.1.1: silence of 3.5 characters between frames, 1.75 ms above 19200 baud
_SILENT_CHARACTERS: Final = 3.5
_SHORTEST_SILENCE_S: Final = 0.00175
_FAST_BAUD: Final = 19_200
# start bit and 8 data bits
_FRAME_BITS: Final = 9
# of the line behind a serial server nothing is known: 3.5 characters at 9600 baud
_SILENCE_OVER_TCP_S: Final = 0.004


def silence_s(endpoint: TcpEndpoint | SerialLine) -> float:
    """Return how long a line must be silent between two frames; nothing for frames that say how long they are."""
    if not isinstance(endpoint, SerialLine):
        return _SILENCE_OVER_TCP_S if endpoint.framing.is_rtu else 0.0
    n_bits = _FRAME_BITS + (endpoint.parity is not Parity.NONE) + endpoint.stop_bits
    return _SHORTEST_SILENCE_S if endpoint.baud > _FAST_BAUD else _SILENT_CHARACTERS * n_bits / endpoint.baud
