"""Headroom that cannot pass a transformer, collector or feeder, however much its members could deliver."""

from collections.abc import Mapping, Sequence

from ems.reserve.operation import GroupLimit


def blocked_up_kw(groups: Sequence[GroupLimit], most_kw: Mapping[str, float]) -> float:
    """Return what does not pass of the power that members could deliver, from the innermost group outwards.

    `most_kw` is each member's power with all its headroom. What is blocked inside a group is no burden for the group
    around it. Where a loss takes a charging block away, the rest may exceed the limit: that counts as blocked too.
    """
    blocked: list[tuple[GroupLimit, float]] = []
    for group in sorted(groups, key=lambda group: len(group.members)):
        inside_kw = sum(kw for other, kw in blocked if other.members <= group.members)
        total_kw = sum(most_kw.get(member, 0.0) for member in group.members)
        blocked.append((group, max(0.0, total_kw - inside_kw - group.limit_kw)))
    return sum(kw for _, kw in blocked)


def blocked_down_kw(groups: Sequence[GroupLimit], least_kw: Mapping[str, float]) -> float:
    """Return what does not pass of the power that members could take; `least_kw` is power less all room for less."""
    return blocked_up_kw(groups, {member: -kw for member, kw in least_kw.items()})
