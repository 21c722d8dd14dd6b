"""Why a value is missing, in the words of the contract."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ems.model.snapshot import Problem, SiteSnapshot

ABSENT: Final = "absent: the site has none"
_ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Looks up what a snapshot says about values that it lacks; `device_ids` by the asset that they serve."""

    snapshot: SiteSnapshot
    device_ids: Mapping[str, str]

    def why(self, asset_id: str, value: str) -> str:
        """Return why one value of an asset is missing."""
        device_id = self.device_ids.get(asset_id)
        if device_id is None:
            return f"absent: no device serves {asset_id}"
        for problem in self.snapshot.problems:
            if problem.device_id == device_id and problem.value in {_ALL, value}:
                return f"{_word(problem)}: {device_id}: {problem.reason.removeprefix('stale: ')}"
        return f"unknown: {device_id} gives no value"

    def why_sum(self, lacking: Iterable[str], value: str) -> str:
        """Return why a sum is missing, given the assets whose part is not known."""
        assets = tuple(lacking)
        if not assets:
            return ABSENT
        first = self.why(assets[0], value)
        return first if len(assets) == 1 else f"{first}; and {len(assets) - 1} more"


def _word(problem: Problem) -> str:
    if problem.reason.startswith("stale"):
        return "stale"
    return "unknown" if problem.value == _ALL else "bad"
