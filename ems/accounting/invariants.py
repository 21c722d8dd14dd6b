"""Recomputes a ledger record from what it says: the balances I1 to I5, to the unit.

I1 sources and discharge are sinks, charge and unaccounted. I2 each sink is the sum of its sources. I3 each source is
used or in the store. I4 the store's parts are its content, none negative. I5 all carbon is with a sink or in the store.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ems.accounting.tracing import SINKS, SOURCES

_LOADS = ("it", "cooling", "site_aux", "grid_export", "losses")


class Fault(NamedTuple):
    """What is wrong in one field of a record; `field` is a JSON pointer."""

    field: str
    text: str


def interval_faults(record: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Return everything that does not hold in an interval's record, empty where it closes."""
    try:
        return tuple(_faults(record))
    except (KeyError, TypeError, AttributeError) as error:
        return (Fault("", f"the record is incomplete or of another form ({type(error).__name__}: {error})"),)


def store_fault(record: Mapping[str, Any], before: Mapping[str, Any] | None) -> Fault | None:
    """Return whether an interval begins with another store than the one before it left; None where it is the same."""
    if before is None or record["store"]["start"] == before:
        return None
    return Fault("/store/start", "is not what the interval before left in the store")


def _faults(record: Mapping[str, Any]) -> Iterator[Fault]:
    energy, carbon, store = record["energy_wh"], record["carbon_mgco2e"], record["store"]
    yield from _wrong_numbers(record)
    sources, sinks, flows = energy["sources"], energy["sinks"], energy["flows"]
    unknown, untracked, unaccounted = energy["unknown"], energy["discharge_untracked"], energy["unaccounted"]
    arrived = sum(sources.values()) + unknown - untracked + energy["discharge"]
    left = sum(sinks[name] for name in _LOADS) + energy["charge"] + unaccounted
    if arrived != left:
        yield Fault("/energy_wh", f"I1: {arrived} Wh arrived at the bus and {left} Wh left it")
    expected = {**{name: sinks[name] for name in _LOADS}, "unaccounted": unaccounted}
    expected["losses"] += energy["store_losses"]
    for sink in SINKS:
        got = sum(flows[source][sink] for source in SOURCES)
        if got != expected[sink]:
            yield Fault(f"/energy_wh/flows/*/{sink}", f"I2: its sources give {got} Wh of {expected[sink]} Wh")
    start, end = store["start"]["energy_wh"], store["end"]["energy_wh"]
    for source in SOURCES:
        entered = (unknown if source == "unknown" else sources[source]) + start[source]
        used = sum(flows[source][sink] for sink in SINKS) + end[source] + energy["soc_reanchor"][source]
        if entered != used:
            yield Fault(f"/energy_wh/flows/{source}", f"I3: {entered} Wh entered, {used} Wh are used, lost or stored")
    kept = sum(start.values()) + energy["charge"] - energy["discharge"] + untracked - energy["store_losses"]
    kept -= sum(energy["soc_reanchor"].values())
    if sum(end.values()) != kept:
        yield Fault("/store/end/energy_wh", f"I4: {sum(end.values())} Wh by source, {kept} Wh by the meters")
    yield from _carbon_faults(record, carbon, store)


def _carbon_faults(record: Mapping[str, Any], carbon: Mapping[str, Any], store: Mapping[str, Any]) -> Iterator[Fault]:
    energy, factors = record["energy_wh"], record["factors"]
    for name, factor, amount in (
        ("scope1", "diesel_mgco2e_per_l", record["fuel_ml"]),
        ("scope2_location", "grid_mgco2e_per_kwh", energy["sources"]["grid_import"]),
        ("unknown", "unknown_mgco2e_per_kwh", energy["unknown"]),
    ):
        expected = (amount * factors[factor] + 500) // 1000
        if carbon[name] != expected:
            yield Fault(f"/carbon_mgco2e/{name}", f"is {carbon[name]} mg where its factor gives {expected} mg")
    idle = carbon["scope1"] if energy["sources"]["genset"] == 0 else 0
    if carbon["without_delivery"] != idle:
        yield Fault("/carbon_mgco2e/without_delivery", f"is {carbon['without_delivery']} mg where it must be {idle} mg")
    entered = carbon["scope1"] - idle + carbon["scope2_location"] + carbon["unknown"] + store["start"]["carbon_mgco2e"]
    booked = sum(carbon["sinks"].values()) + store["end"]["carbon_mgco2e"]
    if entered != booked:
        yield Fault("/carbon_mgco2e", f"I5: {entered} mg entered, {booked} mg are with sinks or in the store")


def _wrong_numbers(record: Mapping[str, Any]) -> Iterator[Fault]:
    """Find what is no whole number, or negative; only the store's correction has a sign."""
    for part in ("energy_wh", "carbon_mgco2e", "store", "factors", "meters", "fuel_ml", "intensity_mgco2e_per_kwh"):
        for path, value in _leaves(record[part], f"/{part}"):
            if type(value) is not int:
                yield Fault(path, f"is {value!r} and no whole number")
            elif value < 0 and not path.startswith("/energy_wh/soc_reanchor/"):
                yield Fault(path, f"is negative ({value})")
    for quantity, total in _metered(record).items():
        parts = record["meters"].get(quantity)
        if parts is not None and sum(parts.values()) != total:
            yield Fault(f"/meters/{quantity}", f"its meters give {sum(parts.values())}, the record counts {total}")


def _metered(record: Mapping[str, Any]) -> dict[str, int]:
    energy = record["energy_wh"]
    return {
        "pv_wh": energy["sources"]["pv"],
        "genset_wh": energy["sources"]["genset"],
        "import_wh": energy["sources"]["grid_import"],
        "export_wh": energy["sinks"]["grid_export"],
        "charge_wh": energy["charge"],
        "discharge_wh": energy["discharge"],
        "it_wh": energy["sinks"]["it"],
        "cooling_wh": energy["sinks"]["cooling"],
        "aux_wh": energy["sinks"]["site_aux"],
        "fuel_ml": record["fuel_ml"],
    }


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{path}/{name}")
    else:
        yield path, value
