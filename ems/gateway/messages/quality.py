"""Why a value is missing, in the words of the contract."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ems.model.snapshot import Problem, SiteSnapshot

QualityWord = Literal["stale", "bad", "unknown", "absent"]
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
            return worded("absent", f"no device serves {asset_id}")
        for problem in self.snapshot.problems:
            if problem.device_id == device_id and problem.value in {_ALL, value}:
                return worded(_word(problem), f"{device_id}: {problem.reason.removeprefix('stale: ')}")
        return worded("unknown", f"{device_id} gives no value")

    def why_sum(self, lacking: Iterable[str], value: str) -> str:
        """Return why a sum is missing, given the assets whose part is not known."""
        assets = tuple(lacking)
        if not assets:
            return ABSENT
        first = self.why(assets[0], value)
        return first if len(assets) == 1 else f"{first}; and {len(assets) - 1} more"


def worded(word: QualityWord, details: str) -> str:
    """Return a word of quality with details on one line, whatever a device or library wrote there."""
    line = " ".join(details.split())
    return f"{word}: {line}" if line else word


def _word(problem: Problem) -> QualityWord:
    if problem.reason.startswith("stale"):
        return "stale"
    return "unknown" if problem.value == _ALL else "bad"
