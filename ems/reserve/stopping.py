"""Whether running sets are needed: what is held after one of them, or all, are stopped in good order."""

from collections import Counter
from dataclasses import replace

from ems.reserve.contingencies import assess
from ems.reserve.operation import Operation
from ems.reserve.requirements import Assessment, Requirement


def without_set(operation: Operation, unit_id: str) -> Operation:
    """Return the operation after a set is stopped in good order, its power taken over by storage equally."""
    stopped = next(unit for unit in operation.gensets if unit.id == unit_id)
    share_kw = stopped.power_kw / max(1, len(operation.storage))
    return replace(
        operation,
        gensets=tuple(unit for unit in operation.gensets if unit.id != unit_id),
        storage=tuple(replace(unit, power_kw=unit.power_kw + share_kw) for unit in operation.storage),
        resting=tuple(
            replace(sets, n_sets=sets.n_sets + (sets.member == stopped.member)) for sets in operation.resting
        ),
    )


def set_is_needed(operation: Operation, unit_id: str, required: Requirement) -> bool:
    """Return whether stopping a set would leave an upward requirement short that is held with it."""
    return short_without_set(operation, unit_id, required) is not None


def short_without_set(operation: Operation, unit_id: str, required: Requirement) -> Assessment | None:
    """Return the upward requirement that stopping a set would leave shortest, None where it leaves none shorter."""
    before = {item.id: item.margin_kw for item in assess(operation, required)}
    after = assess(without_set(operation, unit_id), required)
    short = [item for item in after if item.id.upward and item.margin_kw < min(0.0, before[item.id])]
    return min(short, key=lambda item: item.margin_kw, default=None)


def sets_are_needed(operation: Operation, required: Requirement) -> bool:
    """Return whether stopping every running set would leave an upward requirement short."""
    if not operation.gensets:
        return False
    share_kw = sum(unit.power_kw for unit in operation.gensets) / max(1, len(operation.storage))
    stopped = Counter(unit.member for unit in operation.gensets)
    alone = replace(
        operation,
        gensets=(),
        storage=tuple(replace(unit, power_kw=unit.power_kw + share_kw) for unit in operation.storage),
        resting=tuple(replace(sets, n_sets=sets.n_sets + stopped[sets.member]) for sets in operation.resting),
    )
    return any(item.margin_kw < 0.0 for item in assess(alone, required) if item.id.upward)
