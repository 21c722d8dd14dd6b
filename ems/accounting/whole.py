"""Traced intervals in whole Wh and mg, closed to the unit: a sum of records needs no tolerance.

Sinks are metered, so each sink keeps its sum; each source's remainder is in the store. What rounding would make
negative is moved between sources, a few units at most.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ems.accounting.tracing import SINKS, SOURCES, BusInterval, StoreContent, Traced


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStore:
    """Energy in the cells by source, Wh, and the carbon it carries, mg."""

    energy_wh: Mapping[str, int]
    carbon_mgco2e: int = 0

    @property
    def total_wh(self) -> int:
        """Return the tracked energy."""
        return sum(self.energy_wh.values())

    def content(self) -> StoreContent:
        """Return it for tracing."""
        return StoreContent(
            energy_wh={name: float(wh) for name, wh in self.energy_wh.items()}, carbon_mgco2e=float(self.carbon_mgco2e)
        )


EMPTY_STORE = WholeStore(energy_wh=dict.fromkeys(SOURCES, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeTrace:
    """One interval. `flows_wh[source][sink]`; `losses` holds those of the store, `store_losses_wh`, too.

    `unknown_wh` is all energy of unknown source; `untracked_wh` the part of it that the meter saw discharged beyond
    the tracked content of the store.
    """

    flows_wh: Mapping[str, Mapping[str, int]]
    carbon_mgco2e: Mapping[str, int]
    store: WholeStore
    unknown_wh: int
    untracked_wh: int
    unaccounted_wh: int
    store_losses_wh: int
    carbon_unknown_mg: int


def residual_wh(interval: BusInterval) -> int:
    """Return what the meters saw arrive and not leave; negative where more left than arrived."""
    arrived = sum(interval.sources_wh.values()) + interval.discharge_wh
    return round(arrived - interval.charge_wh - sum(interval.sinks_wh.values()))


def whole(
    interval: BusInterval, store: WholeStore, traced: Traced, *, carbon_mg: Mapping[str, int], unknown_mg_per_kwh: int
) -> WholeTrace:
    """Return an interval of whole numbers traced in fractions, in whole numbers.

    Args:
        interval: The interval, every energy whole.
        store: The store before it.
        traced: What tracing gave.
        carbon_mg: Emissions of the known sources, mg.
        unknown_mg_per_kwh: Factor of energy of unknown source.
    """
    residual = residual_wh(interval)
    untracked = round(max(0.0, traced.unknown_wh - max(0, -residual)))
    unknown, unaccounted = max(0, -residual) + untracked, max(0, residual)
    inputs = {name: round(interval.sources_wh.get(name, 0.0)) + store.energy_wh.get(name, 0) for name in SOURCES}
    inputs["unknown"] += unknown
    sinks = {name: round(interval.sinks_wh.get(name, 0.0)) for name in SINKS}
    sinks["unaccounted"] += unaccounted
    left_wh = store.total_wh + round(interval.charge_wh) - (round(interval.discharge_wh) - untracked)
    lost = sum(traced.flows_wh[name]["losses"] for name in SOURCES) - interval.sinks_wh.get("losses", 0.0)
    store_losses = max(0, min(round(lost), left_wh))
    sinks["losses"] += store_losses
    flows = {
        sink: apportioned({name: traced.flows_wh[name][sink] for name in SOURCES}, total)
        for sink, total in sinks.items()
    }
    after = _settled(flows, inputs)
    carbon_unknown = (unknown * unknown_mg_per_kwh + 500) // 1000
    available_mg = store.carbon_mgco2e + sum(carbon_mg.values()) + carbon_unknown
    carbon = _limited({sink: round(mg) for sink, mg in traced.carbon_mgco2e.items()}, available_mg)
    return WholeTrace(
        flows_wh={name: {sink: flows[sink][name] for sink in SINKS} for name in SOURCES},
        carbon_mgco2e=carbon,
        store=WholeStore(energy_wh=after, carbon_mgco2e=available_mg - sum(carbon.values())),
        unknown_wh=unknown,
        untracked_wh=untracked,
        unaccounted_wh=unaccounted,
        store_losses_wh=store_losses,
        carbon_unknown_mg=carbon_unknown,
    )


def anchored_whole(store: WholeStore, *, stored_wh: int) -> tuple[WholeStore, dict[str, int]]:
    """Return the content scaled to the battery management's estimate, and by source what is booked as lost by it.

    What is found beyond the tracked content of an empty store is of unknown source. Carbon is not scaled: whoever uses
    the rest carries it.
    """
    stored_wh = max(0, stored_wh)
    if store.total_wh <= 0:
        after = {**dict.fromkeys(SOURCES, 0), "unknown": stored_wh}
    else:
        scale = stored_wh / store.total_wh
        after = apportioned({name: wh * scale for name, wh in store.energy_wh.items()}, stored_wh)
    booked = {name: store.energy_wh.get(name, 0) - after[name] for name in SOURCES}
    return WholeStore(energy_wh=after, carbon_mgco2e=store.carbon_mgco2e), booked


def apportioned(shares: Mapping[str, float], total: int) -> dict[str, int]:
    """Return whole numbers in proportion of the shares, none negative, with this sum, by largest remainder.

    Without any share the whole total goes to the last name.
    """
    weight = sum(shares.values())
    if weight <= 0.0:
        *first, last = shares
        return {**dict.fromkeys(first, 0), last: total}
    exact = {name: max(0.0, value) * total / weight for name, value in shares.items()}
    whole_numbers = {name: int(value) for name, value in exact.items()}
    missing = total - sum(whole_numbers.values())
    by_rest = sorted((name for name in exact if exact[name] > 0.0), key=lambda name: whole_numbers[name] - exact[name])
    for name in by_rest[: max(0, missing)]:
        whole_numbers[name] += 1
    # a rounding of large fractions upwards can give one unit too many
    for name in reversed(by_rest) if missing < 0 else ():
        if missing < 0 and whole_numbers[name] > 0:
            whole_numbers[name] -= 1
            missing += 1
    return whole_numbers


def _settled(flows: Mapping[str, dict[str, int]], inputs: Mapping[str, int]) -> dict[str, int]:
    """Return what each source leaves in the store; flows of a source beyond its inputs are moved to another one."""
    after = {name: inputs[name] - sum(column[name] for column in flows.values()) for name in SOURCES}
    while min(after.values()) < 0 < max(after.values()):
        short, donor = min(after, key=after.__getitem__), max(after, key=after.__getitem__)
        column = max(flows.values(), key=lambda candidate: candidate[short])
        moved = min(-after[short], after[donor], column[short])
        column[short] -= moved
        column[donor] += moved
        after[short] += moved
        after[donor] -= moved
    return after


def _limited(carbon_mg: dict[str, int], available_mg: int) -> dict[str, int]:
    """Return the sinks' carbon, never more than there is."""
    excess = sum(carbon_mg.values()) - available_mg
    for sink in sorted(carbon_mg, key=carbon_mg.__getitem__, reverse=True):
        taken = max(0, min(excess, carbon_mg[sink]))
        carbon_mg[sink] -= taken
        excess -= taken
    return carbon_mg
