"""Ledger intervals in other forms: one flat row each, and the records that an issuer of certificates asks for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ems.accounting.tracing import SINKS, SOURCES

# fields that only the issuing body of a registry can fill (EnergyTag granular certificate scheme)
ISSUED: Final = (
    "issuance_id",
    "certificate_status",
    "account_id",
    "bundle_id_range_start",
    "bundle_id_range_end",
    "registry_configuration",
    "issuance_datestamp",
    "expiry_datestamp",
    "issuing_body",
    "issue_market_zone",
)
_KINDS: Final = {"pv_wh": ("solar", "solar PV"), "genset_wh": ("fossil liquid", "diesel internal combustion")}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What the configuration knows of a device and a ledger does not."""

    rated_kw: float
    latitude_deg: float
    longitude_deg: float


def flat_row(record: Mapping[str, Any], digest: str) -> dict[str, object]:
    """Return an interval as one row: Wh, mg, ml and mg per kWh, every column named with its unit."""
    energy, carbon, store = record["energy_wh"], record["carbon_mgco2e"], record["store"]
    row: dict[str, object] = {
        "site": record["site"],
        "seq": record["seq"],
        "start_utc": record["start"],
        "end_utc": record["end"],
        "method": record["method"],
    }
    row |= {f"source_{name}_wh": wh for name, wh in energy["sources"].items()}
    row |= {f"sink_{name}_wh": wh for name, wh in energy["sinks"].items()}
    for name in ("charge", "discharge", "unknown", "unaccounted", "store_losses", "discharge_untracked"):
        row[f"{name}_wh"] = energy[name]
    row |= {f"flow_{source}_to_{sink}_wh": energy["flows"][source][sink] for source in SOURCES for sink in SINKS}
    row |= {f"{name}_mgco2e": carbon[name] for name in ("scope1", "scope2_location", "unknown", "without_delivery")}
    row |= {f"sink_{name}_mgco2e": carbon["sinks"][name] for name in SINKS}
    row |= {f"stored_{name}_wh": wh for name, wh in store["end"]["energy_wh"].items()}
    row["stored_mgco2e"] = store["end"]["carbon_mgco2e"]
    row["fuel_ml"] = record["fuel_ml"]
    row["intensity_mgco2e_per_kwh"] = record["intensity_mgco2e_per_kwh"]
    row |= dict(record["factors"])
    row["flags"] = "; ".join(record["flags"])
    row["hash"] = digest
    return row


def granular_records(
    record: Mapping[str, Any], digest: str, *, devices: Mapping[str, DeviceFacts]
) -> Iterator[dict[str, object]]:
    """Yield what an issuer asks for, one record per device and interval; what only a registry knows is None.

    Args:
        record: An interval.
        digest: Its hash, as the evidence.
        devices: Facts of the devices, by name; of others they are None.
    """
    for quantity, (source, technology) in _KINDS.items():
        for device, wh in record["meters"].get(quantity, {}).items():
            if wh > 0:
                yield {
                    **_common(record, digest, device, devices),
                    "device_type": "production",
                    "device_technology_type": technology,
                    "energy_source": source,
                    "face_value": wh,
                    "bundle_quantity": wh,
                    "production_starting_interval": record["start"],
                    "production_ending_interval": record["end"],
                    "emissions_factor_production_device": _kg_per_mwh(record, quantity, device, wh),
                    "emissions_factor_source": "fuel burnt by the device's meter, Scope 1; PV operational, 0",
                }
    for quantity, sign in (("charge_wh", -1), ("discharge_wh", 1)):
        for device, wh in record["meters"].get(quantity, {}).items():
            if wh > 0:
                yield {
                    **_common(record, digest, device, devices),
                    "device_type": "storage",
                    "storage_id": device,
                    "flow_start": record["start"],
                    "flow_end": record["end"],
                    # charging is negative
                    "flow_energy": sign * wh,
                    "allocation_methodology": record["method"],
                }


def _common(
    record: Mapping[str, Any], digest: str, device: str, devices: Mapping[str, DeviceFacts]
) -> dict[str, object]:
    facts = devices.get(device)
    return {
        **dict.fromkeys(ISSUED),
        "energy_carrier": "electricity",
        "device_id": f"{record['site']}/{device}",
        "device_name": device,
        "device_capacity": None if facts is None else round(1000.0 * facts.rated_kw),
        "device_location": None if facts is None else [facts.latitude_deg, facts.longitude_deg],
        "device_production_start_date": None,
        "country_of_issuance": None,
        "connected_grid_identification": None,
        "dissemination_level": "private",
        "evidence_seq": record["seq"],
        "hash": digest,
    }


def _kg_per_mwh(record: Mapping[str, Any], quantity: str, device: str, wh: int) -> float | None:
    """Return a device's emissions over its energy; None for a set whose fuel is not metered by itself."""
    if quantity == "pv_wh":
        return 0.0
    fuel_ml = record["meters"].get("fuel_ml", {}).get(device)
    if fuel_ml is None:
        return None
    # ml x mg/l is ug; mg per Wh is kg per MWh
    diesel_mg_per_l: int = record["factors"]["diesel_mgco2e_per_l"]
    return round(float(fuel_ml) * diesel_mg_per_l / 1000.0 / wh, 3)
