"""Writes docs/benchmark-drivers.md from the rows of `make bench ONLY=drivers`: `python -m docs.benchmark_drivers`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.campaigns.rows import BUILD

PAGE = Path(__file__).parent / "benchmark-drivers.md"
_PREFIX: Final = "drivers."
_LOADS: Final = ("load_before", "load_after")
_DIGITS: Final = 3

INTRODUCTION = """# Benchmark of the drivers

What polling, commanding and decoding cost. This page is written by `python -m docs.benchmark_drivers` from what this
command measures in three minutes:

```sh
make bench ONLY=drivers
```

300 devices listen on ports of their own on loopback, in one process (`tests/campaigns/endpoints/farm.py`): half of
them converters whose values lie in five blocks of 20 to 100 registers and which are commanded, half of them containers
with five racks (`soltaro-cluster-c`). Links and drivers run in the measuring process with the clock of the daemon, and
only its processor time is counted, from poll to reading: what the devices' process needs is not in it. When polls,
setpoints and heartbeats come in is noted by the devices. The processes share the machine with whatever else it
does; times by the clock grow with that.

"""

NOTES = """
- *jitter*: how far the beginning of a round is from 1 s after the one before, as the device sees it.
- *decision to wire*: from the call that hands over a setpoint, or the moment at which a heartbeat is due, to the bytes
  going out; all converters get their setpoint in the same moment, at random moments of the polling. It is counted in
  buckets by the links themselves (`command_wait`), whose quantiles are interpolated.
- *loss noticed*: until the driver says that a device is in trouble, in periods of its poll.
- *read again*: from the end of the fault to a reading that is newer.
- *decoding*: the bytes of an answer to values by name, scaled and checked against sentinels and range: what a poll does.
  The helpers make raw numbers of registers that the library has got from the bytes before. The fastest of 200 short
  series each, in turn.

## What helped, and what did not

Figures of the same machine, which was busy with other work.

| what was tried | figure | kept |
| --- | --- | --- |
| answers taken from the bytes by our own frames; of pymodbus the connection and the encoding of requests | 300 endpoints: 0.42 to 0.32 of a core | yes |
| requests encoded once; registers stay bytes until they are decoded; no dictionary for every block | 0.32 to 0.19 of a core | yes |
| what the daemon has built is kept from the garbage collector (`ems/runtime/settling.py`) | a full collection over 380,000 objects stopped the loop for 356 ms; p99 of the jitter 312 to 16 ms | yes |
| a command goes out where it is given if its link is idle, not when the loop comes to it | 150 setpoints at once, p99 88 to 46 ms | yes |
| range checks as two comparisons instead of a chain | 75 points 3.9 to 3.6 us | yes |
| a dictionary of 75 names written by the compiled code, instead of zipped from names and values | 7.1 instead of 5.8 us | no |
| SunSpec answers compiled for each set of scale factors that is seen | 74 points 72 to 5 us | yes |
| check sums of serial frames two bytes at a step, and once instead of twice | answer of 100 registers 128 to 7 us | yes |
| uvloop | not tried: the target is met without another dependency | no |
"""  # noqa: E501 - rows of a table


def main() -> None:
    """Write the page."""
    rows = json.loads((BUILD / "bench.json").read_text(encoding="utf-8"))
    found = {row["id"].removeprefix(_PREFIX): row for row in rows if row["id"].startswith(_PREFIX)}
    PAGE.write_text("\n".join(page(found)) + "\n", encoding="utf-8")


def page(rows: dict[str, Any]) -> Iterator[str]:  # rows of JSON
    """Yield the lines of the page; `rows` are those of build/bench.json by what follows `drivers.` in their ids."""
    yield INTRODUCTION.rstrip("\n")
    yield ""
    yield "| what | figure | target | met |"
    yield "| --- | --- | --- | --- |"
    for name, row in rows.items():
        if name not in _LOADS:
            met = {True: "yes", False: "no", None: ""}[row["met"]]
            yield f"| {row['what']} | {_figure(row)} | {row['target'] or ''} | {met} |"
    yield ""
    loads = " and ".join(_load(rows[name]) for name in _LOADS if name in rows)
    yield f"Load of the machine over a minute: {loads}; the measuring processes went before the other work."
    yield NOTES.rstrip("\n")


def _figure(row: dict[str, Any]) -> str:  # a row of JSON
    unit = "" if row["unit"] in {"", "share"} else f" {row['unit']}"
    return f"{row['value']:.{_DIGITS}g}{unit}" if row["value"] < 10**_DIGITS else f"{row['value']:,.0f}{unit}"


def _load(row: dict[str, Any]) -> str:  # a row of JSON
    return f"{row['value']:.1f} {row['what'].removeprefix('load of the machine ')}"


if __name__ == "__main__":
    main()
