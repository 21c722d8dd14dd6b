"""The electricity evidence pack: what a declarant asks the supplier of an installation's electricity for.

It supports the determination of the electricity emission factor. It is no declaration, no certificate and no
statement of conformity; a verifier decides what may be used.
"""

import hashlib
import json
from typing import Any, Final

from ems.accounting.report.emissions import operational_kg
from ems.accounting.report.period import LOADS
from ems.accounting.report.whole_report import CarbonReport
from ems.model.units import G_PER_KG, KG_PER_T, MG_PER_KG, WH_PER_KWH

SCHEMA: Final = "ems.electricity-evidence/1"
WORDING: Final = (
    "This pack supports the determination of the electricity emission factor of the metered consumer. It is not a "
    "CBAM declaration and claims no conformity; actual values need verification by an accredited verifier."
)
_MISSING: Final = "not stated in report.toml"


def evidence(report: CarbonReport) -> dict[str, Any]:
    """Return the pack, ready for JSON."""
    site, reporting, found = report.site, report.reporting, report.totals
    place, installation = site.place, reporting.installation
    delivered_mwh = found.delivered_wh / WH_PER_KWH / 1000.0
    per_kwh_g = operational_kg(found) * G_PER_KG / (found.delivered_wh / WH_PER_KWH) if found.delivered_wh else None
    return {
        "schema": SCHEMA,
        "wording": WORDING,
        "installation": {
            "id": site.id,
            "name": site.name,
            "operator": installation.operator or _MISSING,
            "address": installation.address or _MISSING,
            "country": installation.country or _MISSING,
            "unlocode": installation.unlocode or _MISSING,
            "latitude_deg": place.latitude_deg,
            "longitude_deg": place.longitude_deg,
        },
        "period": {"start": report.start.isoformat(), "end": report.end.isoformat()},
        "connection_kind": installation.connection or _MISSING,
        "topology_hash": topology_hash(report),
        "metering_points": [
            {
                "id": each.id,
                "class": each.accuracy_class,
                "calibrated": None if each.calibrated is None else each.calibrated.isoformat(),
            }
            for each in reporting.meters
        ]
        or _MISSING,
        "generator_units": [
            {
                "id": each.id,
                "technology": each.technology,
                "capacity_kw": each.capacity_kw,
                "commissioned": None if each.commissioned is None else each.commissioned.isoformat(),
            }
            for each in reporting.generators
        ]
        or _MISSING,
        "consumption_mwh": delivered_mwh,
        "by_source_mwh": {
            source: {
                "direct": (_loads_wh(report, source) - found.stored_flows_wh[source]) / WH_PER_KWH / 1000.0,
                "via_storage": found.stored_flows_wh[source] / WH_PER_KWH / 1000.0,
            }
            for source in found.flows_wh
        },
        "electricity_emission_factor": {
            "tco2e_per_mwh": None if per_kwh_g is None else per_kwh_g / 1000.0,
            "formula": "(fuel L x factor + imported kWh x factor - carried away by export) / energy delivered",
            "inputs": {
                "fuel_l": found.fuel_l,
                "scope1_tco2e": found.scope1_mg / MG_PER_KG / KG_PER_T,
                "scope2_location_tco2e": found.scope2_location_mg / MG_PER_KG / KG_PER_T,
                "export_tco2e": found.carbon_sinks_mg["grid_export"] / MG_PER_KG / KG_PER_T,
                "delivered_mwh": delivered_mwh,
            },
            "factor_ids": [each.id for each in report.factors],
        },
        "storage_balance_kwh": {
            "begin": (found.store_start_wh or 0) / WH_PER_KWH,
            "charged": found.charge_wh / WH_PER_KWH,
            "discharged": found.discharge_wh / WH_PER_KWH,
            "end": found.store_end_wh / WH_PER_KWH,
        },
        "residual_pct": report.figure("residual_pct").value,
        "flagged_intervals_pct": report.figure("flagged_pct").value,
        "method": sorted(found.methods),
        "ledger": {
            "first_seq": found.first_seq,
            "last_seq": found.last_seq,
            "n_intervals": found.n_intervals,
            "verified": report.proof.verified,
            "statement": report.proof.statement,
            "first_hash": report.proof.first_hash,
            "last_hash": report.proof.last_hash,
            "key_ids": list(report.proof.key_ids),
            "n_digests": report.proof.n_digests,
        },
        "software_version": report.version,
        "config_sha256": report.config_hash,
        "cbam_liability": {
            "amount": 0,
            "reason": "computing services, GPUs and servers are no goods of Annex I of Regulation (EU) 2023/956",
        },
        "shadow_carbon_cost": {
            "amount": report.figure("shadow_carbon_cost").value,
            "currency": site.economics.currency,
            "note": "an internal price, no levy",
        },
    }


def topology_hash(report: CarbonReport) -> str:
    """Return SHA-256 over what is connected to the bus: plants, sets, storage, grid, with their ratings."""
    site = report.site
    described = {
        "pv": {plant.id: sorted(plant.block_ids) for plant in site.pv},
        "gensets": {kind.id: [kind.rated_kw, sorted(kind.unit_ids)] for kind in site.gensets},
        "batteries": {pool.id: [pool.rated_kwh, sorted(block.id for block in pool.blocks)] for pool in site.batteries},
        "grid": site.grid is not None,
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def _loads_wh(report: CarbonReport, source: str) -> int:
    return sum(report.totals.flows_wh[source][load] for load in LOADS)
