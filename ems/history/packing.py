"""Columns as bytes: float32 values, shuffled by byte and compressed with zstd, and the instants of an hour.

The shuffle puts the first bytes of all numbers together, then the second ones: measured values that move little become
runs, as with Parquet's byte-stream-split.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float32]
Instants = npt.NDArray[np.int64]

_WIDTH: Final = 4
_CODEC: Final = pa.Codec("zstd", compression_level=3)


def pack_values(values: Floats) -> bytes:
    """Return a column of values; NaN is unknown."""
    planes = values.astype("<f4", copy=False).view(np.uint8).reshape(-1, _WIDTH).T
    compressed: bytes = _CODEC.compress(planes.tobytes(), asbytes=True)
    return compressed


def unpack_values(data: bytes, n_values: int) -> Floats:
    """Return the column again.

    Raises:
        ValueError: The bytes are not those of so many values.
    """
    raw = _unpacked(data, n_values)
    if raw.nbytes != n_values * _WIDTH:
        raise ValueError(f"a block of the history holds {raw.nbytes // _WIDTH} values instead of {n_values}")
    planes = np.frombuffer(raw, dtype=np.uint8).reshape(_WIDTH, n_values)
    values = np.empty(n_values, dtype="<f4")
    shuffled_back = values.view(np.uint8).reshape(n_values, _WIDTH)
    for byte in range(_WIDTH):
        shuffled_back[:, byte] = planes[byte]
    return values


def pack_instants(instants_ms: Instants, hour_begin_ms: int) -> bytes:
    """Return the instants of one hour as they are: one column for all points of a part."""
    return (instants_ms - hour_begin_ms).astype("<i4").tobytes()


def unpack_instants(data: bytes, hour_begin_ms: int) -> Instants:
    """Return the instants again."""
    return np.frombuffer(data, dtype="<i4") + np.int64(hour_begin_ms)


def _unpacked(data: bytes, n_values: int) -> memoryview:
    try:
        return memoryview(_CODEC.decompress(data, decompressed_size=n_values * _WIDTH))
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"a block of the history is damaged: {error}") from error
