"""As few blocks as a low power needs, so that no PCS runs at a few percent of its rating.

The fullest blocks discharge, the emptiest charge; who works changes at most every quarter of an hour, unless more are
needed. The others stay closed and ready at zero power, grid-forming ones too.
"""

from dataclasses import dataclass

from ems.control.allocation import BlockShare


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """The blocks that were chosen, and when."""

    ids: tuple[str, ...] = ()
    since_s: float = float("-inf")


def fewest(
    shares: tuple[BlockShare, ...],
    total_kw: float,
    before: Working,
    *,
    load_frac: float,
    hold_s: float,
    now_s: float,
) -> Working:
    """Return the blocks that share a power >= 0: so many that each has no more than `load_frac` of its rating.

    All that can, where that is not enough. `load_frac` 0: always all.
    """
    able = {share.id: share for share in shares if share.weight_kwh > 0.0 and share.cap_kw > 0.0}
    if load_frac <= 0.0:
        return Working(ids=tuple(able), since_s=now_s)
    # by the share of their energy that is left: pools may have blocks of different size
    order = sorted(able.values(), key=lambda share: -share.weight_kwh / share.full_kwh if share.full_kwh > 0.0 else 0.0)
    is_due = now_s - before.since_s >= hold_s or not before.ids
    chosen = [] if is_due else [able[name] for name in before.ids if name in able]
    rest = [share for share in order if share not in chosen]
    while rest and not _enough(chosen, total_kw, load_frac):
        chosen.append(rest.pop(0))
    return Working(ids=tuple(share.id for share in chosen), since_s=now_s if is_due else before.since_s)


def _enough(chosen: list[BlockShare], total_kw: float, load_frac: float) -> bool:
    light_kw = sum(load_frac * share.rated_kw for share in chosen)
    return bool(chosen) and min(light_kw, sum(share.cap_kw for share in chosen)) >= total_kw
