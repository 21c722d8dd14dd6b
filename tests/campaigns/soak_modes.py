"""Returns to the grid and black starts, a hundred of each on the port twin: every one must end where it should."""

from collections.abc import Iterator
from dataclasses import replace

from ems.control.state import Mode
from tests.campaigns.rows import Row
from tests.runtime.tied import RULES, on_grid

# the island is matched with a slip of 0.03 Hz, so that the angles meet within 34 s
_RETURN_S = 200
# the racks of the twin need two and a half minutes
_BLACK_START_S = 300
# a grid that is lost so often would be tried no more after some attempts (F39): not the matter here
_RULES = replace(RULES, max_per_h=1000)


def mode_rows(*, n_cycles: int = 100) -> Iterator[Row]:
    """Judge cycles of loss and return, and of collapse and black start."""
    yield _row("soak.resync", f"returns through the sync check, of {n_cycles}", _returns(n_cycles), n_cycles)
    what = f"black starts of a collapsed island, of {n_cycles}"
    yield _row("soak.black_start", what, _black_starts(n_cycles), n_cycles)


def _row(name: str, what: str, n_done: int, n_cycles: int) -> Row:
    return Row(id=name, what=what, value=float(n_done), unit="", target=f"= {n_cycles}", met=n_done == n_cycles)


def _returns(n_cycles: int) -> int:
    """Return how many losses of the grid ended parallel to it again, with no load unserved."""
    site, n_done = on_grid(rules=_RULES), 0
    for _ in range(n_cycles):
        site.unserved_kwh = 0.0
        site.lose_grid()
        site.run(30)
        site.lose_grid(lost=False)
        for _ in range(round(RULES.healthy_s) + _RETURN_S):
            if site.run(1).decision.state.mode is Mode.GRID:
                break
        n_done += site.modes[-1] is Mode.GRID and site.unserved_kwh == 0.0
    return n_done


def _black_starts(n_cycles: int) -> int:
    """Return how many collapses of an island ended in an island that serves its load again."""
    n_done = 0
    for number in range(n_cycles):
        site = on_grid(seed=number)
        site.lose_grid()
        site.run(20)
        site.trip_everything()
        site.run(_BLACK_START_S)
        n_done += site.modes[-1] is Mode.ISLAND and site.plant.unserved_kw == 0.0
    return n_done
