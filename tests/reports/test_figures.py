"""Figures of a report against arithmetic on paper."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from ems.accounting.corrections import CorrectedReading, correction_body
from ems.accounting.report.pack import WORDING, evidence
from ems.accounting.report.whole_report import CarbonReport, LedgerProof, report
from ems.app.reports.page import page
from ems.model.reporting import (
    Baseline,
    Boundary,
    Embodied,
    EmissionFactor,
    FactorUse,
    PurchaseContract,
    Reporting,
)
from ems.model.site import Site
from tests.control.scene import small
from tests.reports.ledgers import rows

CAMPUS = small("weak-grid-campus")

START, END = datetime(2026, 6, 10, tzinfo=UTC), datetime(2026, 6, 11, tzinfo=UTC)
PROOF = LedgerProof(path="ledger.jsonl", verified=True, statement="checked")
IT = {"it": 800_000, "cooling": 160_000, "aux": 40_000}


def factor(use: FactorUse, amount_kgco2e: float, **changes: Any) -> EmissionFactor:
    fields: dict[str, Any] = {
        "id": use.value.replace("_", "-"),
        "use": use,
        "amount_kgco2e": amount_kgco2e,
        "boundary": Boundary.COMBUSTION,
        "region": "here",
        "year": 2025,
        "source": "a table",
        "valid_from": date(2026, 1, 1),
        "valid_to": date(2026, 12, 31),
        **changes,
    }
    return EmissionFactor(**fields)


def made(site: Site, *intervals: dict[str, Any], reporting: Reporting | None = None) -> CarbonReport:
    return report(
        rows(site, *intervals),
        site=site,
        reporting=Reporting() if reporting is None else reporting,
        start=START,
        end=END,
        proof=PROOF,
        version="1",
        config_hash="0" * 64,
    )


def test_intensities_share_their_numerator_and_name_their_denominator() -> None:
    found = made(CAMPUS, {"wh": {"import": 1_000_000, **IT}})

    # 1000 kWh x 0.4 kg/kWh over 1000 kWh delivered, of which 800 kWh to IT
    assert found.figure("scope2_location_kgco2e").value == pytest.approx(400.0)
    assert found.figure("ci_operational_gco2e_per_kwh").value == pytest.approx(400.0)
    assert found.figure("ci_compute_gco2e_per_kwh").value == pytest.approx(500.0)
    assert found.figure("pue").value == pytest.approx(1.25)
    assert found.figure("cue_kgco2e_per_kwh").value == pytest.approx(0.5)
    assert found.figure("cooling_share_pct").value == pytest.approx(16.0)


def test_exported_energy_takes_its_emissions_along() -> None:
    found = made(CAMPUS, {"wh": {"import": 2_000_000, "export": 1_000_000, **IT}})

    assert found.figure("ci_operational_gco2e_per_kwh").value == pytest.approx(400.0)


def test_the_market_method_takes_contract_and_residual_mix() -> None:
    reporting = Reporting(
        factors=(factor(FactorUse.GRID_RESIDUAL, 0.6), factor(FactorUse.GRID_CONTRACT, 0.0)),
        contract=PurchaseContract(instrument="a purchase agreement", matched_frac=0.25),
    )
    found = made(CAMPUS, {"wh": {"import": 1_000_000, **IT}}, reporting=reporting)

    assert found.figure("scope2_market_kgco2e").value == pytest.approx(750 * 0.6)
    assert found.figure("scope2_market_kgco2e").factors == ("grid-residual", "grid-contract")


def test_what_no_factor_covers_is_not_determined_and_says_why() -> None:
    late = factor(FactorUse.DIESEL_WTT, 0.6, valid_from=date(2026, 6, 11))
    found = made(CAMPUS, {"wh": {"genset": 1_000_000, **IT}, "fuel_l": 260.0}, reporting=Reporting(factors=(late,)))

    assert found.figure("wtt_kgco2e").value is None
    assert "diesel_wtt" in found.figure("wtt_kgco2e").note
    assert found.figure("ci_full_gco2e_per_kwh").value is None
    assert "wtt_kgco2e" in found.figure("ci_full_gco2e_per_kwh").note


def test_scope_3_and_the_plants_making_are_lines_of_their_own() -> None:
    reporting = Reporting(
        factors=(factor(FactorUse.DIESEL_WTT, 0.6),),
        # one kg per hour of a life of 10 years
        embodied=(Embodied(id="pv", kgco2e=87_660.0, years=10.0, source="a declaration"),),
    )
    found = made(CAMPUS, {"wh": {"genset": 1_000_000, **IT}, "fuel_l": 260.0}, reporting=reporting)

    assert found.figure("scope1_kgco2e").value == pytest.approx(260.0 * 2.66155)
    assert found.figure("wtt_kgco2e").value == pytest.approx(156.0)
    assert found.figure("embodied_kgco2e").value == pytest.approx(0.25)
    # grid upstream is zero by itself: nothing was imported
    assert found.figure("ci_full_gco2e_per_kwh").value == pytest.approx(260.0 * 2.66155 + 156.0 + 0.25)


def test_a_surplus_in_one_hour_does_not_cover_another() -> None:
    sunny = {"wh": {"pv": 3_000_000, "export": 2_000_000, **IT}}
    dark = {"wh": {"import": 1_000_000, **IT}}
    found = made(CAMPUS, sunny, sunny, sunny, sunny, dark, dark, dark, dark)

    assert found.figure("cfe_pct").value == pytest.approx(50.0)


def test_stored_energy_keeps_its_source() -> None:
    charging = {
        "wh": {"pv": 3_000_000, "charge": 2_000_000, **IT},
        "stored_start_kwh": 0.0,
    }
    discharging = {"wh": {"discharge": 1_000_000, **IT}}
    found = made(CAMPUS, charging, discharging)

    assert found.figure("ref").value == pytest.approx(1.0)
    pv = found.figure("source_pv_kwh")
    assert pv.inputs["to_loads_directly_kwh"] == pytest.approx(1000.0, abs=0.01)
    assert pv.inputs["to_loads_through_storage_kwh"] == pytest.approx(1000.0, abs=0.01)


def test_operation_is_summed_from_the_records() -> None:
    unit = CAMPUS.gensets[0].unit_ids[0]
    operation = {
        "gensets": {unit: {"run_s": 900, "loaded_s": 600, "band_s": 450, "n_starts": 1}},
        "interruption_s": 9,
        "n_interruptions": 1,
        "unserved_wh": 500,
        "curtailed_wh": 1000,
        "index_min_milli": 40_000,
        "index_mean_milli": 60_000,
        "fuel_cost_micro": 300_000_000,
        "import_cost_micro": 0,
        "export_revenue_micro": 0,
        "genset_wear_cost_micro": 20_000_000,
        "battery_wear_cost_micro": 0,
    }
    wh = {"genset": 1_000_000, **IT}
    reporting = Reporting(
        baseline=Baseline(
            description="grid", cost_per_kwh=0.5, gco2e_per_kwh=1000.0, cooling_share_frac=None, source="a bill"
        )
    )
    found = made(
        CAMPUS,
        {"wh": wh, "fuel_l": 260.0, "operation": operation},
        {"wh": wh, "fuel_l": 260.0, "operation": {**operation, "index_min_milli": 20_000}},
        reporting=reporting,
    )

    assert found.figure("genset_run_h").value == pytest.approx(0.5)
    assert found.figure("genset_starts").value == 2
    assert found.figure("genset_band_pct").value == pytest.approx(75.0)
    assert found.figure("availability_pct").value == pytest.approx(99.0)
    assert found.figure("eens_kwh").value == pytest.approx(1.0)
    assert found.figure("curtailed_kwh").value == pytest.approx(2.0)
    assert found.figure("resilience_index_min").value == pytest.approx(20.0)
    assert found.figure("resilience_index_mean").value == pytest.approx(60.0)
    assert found.figure("energy_cost").value == pytest.approx(640.0)
    # 640 over 1600 kWh of IT against 0.5
    assert found.figure("cost_saving_pct").value == pytest.approx(20.0)


def test_without_counts_of_operation_nothing_is_claimed() -> None:
    found = made(CAMPUS, {"wh": {"import": 1_000_000, **IT}})

    for name in ("genset_run_h", "availability_pct", "eens_kwh", "resilience_index_min", "energy_cost"):
        assert found.figure(name).value is None, name
        assert found.figure(name).note, name


def test_data_quality_names_what_is_missing() -> None:
    other = Reporting(factors=(factor(FactorUse.DIESEL_SCOPE1, 2.7),))
    found = made(
        CAMPUS,
        {"wh": {"genset": 900_000, **IT}, "fuel_l": 240.0, "flags": ("counter ran backwards: it_wh:it",)},
        reporting=other,
    )

    assert found.figure("covered_pct").value == pytest.approx(100.0 * 0.25 / 24.0)
    assert found.figure("residual_pct").value == pytest.approx(100.0 * 100 / 900, rel=0.02)
    assert found.figure("flagged_pct").value == 100.0
    assert found.figure("factor_differences").value == 1


def test_a_period_without_records_is_no_report() -> None:
    with pytest.raises(ValueError, match="no records"):
        made(CAMPUS)


def test_corrections_stand_beside_what_was_written() -> None:
    (row,) = rows(CAMPUS, {"wh": {"import": 1_000_000, **IT}})
    row["meters"] = {"import_wh": {"pcc": 1_000_000}}
    reading = CorrectedReading(seq=row["seq"], quantity="import_wh", unit="pcc", value=1_050_000, reason="bill")
    correction = {**correction_body(row, "0" * 64, (), reading), "seq": 9}
    found = report(
        [row, correction],
        site=CAMPUS,
        reporting=Reporting(),
        start=START,
        end=END,
        proof=PROOF,
        version="1",
        config_hash="0" * 64,
    )

    assert found.figure("scope2_location_kgco2e").value == pytest.approx(400.0)
    assert found.corrected["scope2_location_mgco2e"] == (400_000_000, 420_000_000)
    assert found.corrected["grid_import_wh"] == (1_000_000, 1_050_000)
    html = page(found)
    assert "420,000,000" in html
    assert "import_wh of pcc: 1,000,000 is 1,050,000" in html


def test_every_figure_says_how_it_was_made() -> None:
    found = made(CAMPUS, {"wh": {"import": 1_000_000, **IT}})

    figures = [figure for section in found.sections for figure in section.figures]
    assert len({figure.id for figure in figures}) == len(figures)
    for figure in figures:
        assert figure.formula, figure.id
        assert figure.value is not None or figure.remark, figure.id


def test_the_evidence_pack_keeps_to_its_wording() -> None:
    pack = evidence(made(CAMPUS, {"wh": {"import": 1_000_000, **IT}}))

    assert pack["wording"] == WORDING
    assert "supports the determination of the electricity emission factor" in WORDING
    assert "compliant" not in str(pack).lower()
    assert pack["electricity_emission_factor"]["tco2e_per_mwh"] == pytest.approx(0.4)
    assert pack["consumption_mwh"] == pytest.approx(1.0)
    assert pack["cbam_liability"]["amount"] == 0
    assert pack["installation"]["operator"] == "not stated in report.toml"
