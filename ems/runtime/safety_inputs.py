"""The inputs of the safety chain that meters and sync-check devices have wired to them, as one picture of the site.

An input that no device has ever told is none of the site's. One that was told and is not any more is unknown. A first
sample that shows an input as standing is not believed yet: one turned bit must not stop a site whose hardware chain,
which does not wait for us, has not acted.
"""

from collections.abc import Mapping
from typing import Final

from ems.model.readings import Reading
from ems.model.snapshot import SafetyState

_INPUTS: Final = ("e_stop", "fire", "earth_fault")


class SafetyInputs:
    """Remembers which asset's device tells which input, and since which sample each one stands."""

    def __init__(self) -> None:
        self._told_by: dict[str, set[str]] = {name: set() for name in _INPUTS}
        self._standing_since_s: dict[tuple[str, str], float] = {}

    def state(self, readings: Mapping[str, Reading]) -> SafetyState | None:
        """Return the inputs by the fresh readings of all assets, None for a site without any."""
        for asset, reading in readings.items():
            for name in _INPUTS:
                if getattr(reading, name, None) is not None or name in reading.bad:
                    self._told_by[name].add(asset)
        if not any(self._told_by.values()):
            return None
        return SafetyState(
            e_stop=self._input("e_stop", readings),
            fire=self._input("fire", readings),
            earth_fault=self._input("earth_fault", readings),
        )

    def _input(self, name: str, readings: Mapping[str, Reading]) -> bool | None:
        """Return whether an input stands at any device; None if one does not tell it now."""
        seen = [self._seen(name, asset, readings.get(asset)) for asset in self._told_by[name]]
        if any(seen):
            return True
        return None if None in seen else False

    def _seen(self, name: str, asset: str, reading: Reading | None) -> bool | None:
        value: bool | None = getattr(reading, name, None)
        if reading is None or value is None:
            return None
        if not value:
            self._standing_since_s.pop((name, asset), None)
            return False
        return True if reading.at_s > self._standing_since_s.setdefault((name, asset), reading.at_s) else None
