"""Cycle time of `control.step` on the images of a shipped site."""

from collections.abc import Iterator

from ems.control.state import ControlState
from ems.control.step import step
from ems.runtime.clock import process_seconds
from tests.campaigns.rows import Row
from tests.campaigns.sample import sample_run


def measure_control(*, hours: float = 12.0) -> Iterator[Row]:
    """Decide the recorded cycles again and time each decision."""
    sample = sample_run("desert-offgrid", start="2025-01-08", hours=hours)
    state = ControlState()
    times_s = []
    for record in sample.records:
        begin = process_seconds()
        state = step(sample.site, record.snapshot, record.plan, state).state
        times_s.append(process_seconds() - begin)
    times_s.sort()
    period_s = sample.site.control.period_s
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        value = times_s[min(len(times_s) - 1, int(share * len(times_s)))]
        what = f"control.step, {name} of {len(times_s)} cycles, {len(sample.records[0].snapshot.blocks)} blocks"
        yield Row(id=f"control.step.{name}", what=what, value=1e3 * value, unit="ms")
        yield Row(
            id=f"control.share.{name}", what=f"{name} against the control period", value=value / period_s, unit="ratio"
        )
