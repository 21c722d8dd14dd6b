"""The measured series that the product ships: licensed, and unchanged but for what their README states."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest

from tests.config.directories import ROOT

SOURCES = ROOT.parent / "shared/data"
needs_sources = pytest.mark.skipif(
    not SOURCES.is_dir(), reason="the source data lie beside the repository only where it is developed"
)
DATA_DIRECTORIES = sorted(
    path.relative_to(ROOT).as_posix() for home in ("config", "drivers") for path in (ROOT / home).rglob("data")
)
Row = dict[str, str]


def test_there_is_data() -> None:
    assert {"config/desert-offgrid/data", "config/weak-grid-campus/data", "drivers/sim/data"} <= set(DATA_DIRECTORIES)


@pytest.mark.parametrize("directory", DATA_DIRECTORIES)
def test_every_data_file_has_an_origin_and_a_licence(directory: str) -> None:
    readme = ROOT / directory / "README.md"
    files = {file.name for file in readme.parent.iterdir()} - {readme.name}

    rows = dict(_table_rows(readme))

    assert rows.keys() == files
    assert all(len(cells) == 3 and all(cells) for cells in rows.values())


@needs_sources
def test_the_desert_weather_is_the_source_in_our_units() -> None:
    product = _rows(ROOT / "config/desert-offgrid/data/weather_mojave_tmy_1h.csv.gz")
    source = _rows(SOURCES / "solar/us_daggett_mojave_nsrdb_tmy_60min.csv.gz")

    names = {
        "ghi_w_per_m2": "ghi_W_m2",
        "dni_w_per_m2": "dni_W_m2",
        "dhi_w_per_m2": "dhi_W_m2",
        "ambient_degc": "temp_air_C",
        "wind_m_per_s": "wind_speed_m_s",
    }

    assert len(product) == 8760
    for ours, theirs in zip(product, source, strict=True):
        assert {name: float(ours[name]) for name in names} == {name: float(theirs[names[name]]) for name in names}


@needs_sources
def test_the_campus_irradiance_is_the_source_with_its_gaps_filled() -> None:
    product = _rows(ROOT / "config/weak-grid-campus/data/irradiance_humid_east_2019_15min.csv.gz")
    source = _rows(SOURCES / "solar/cn_east_pv110MW_site5_2019_15min.csv.gz")

    filled = [
        float(ours["poa_w_per_m2"])
        for ours, theirs in zip(product, source, strict=True)
        if not theirs["irr_total_W_m2"]
    ]
    kept = [
        (ours["time_utc"], float(ours["poa_w_per_m2"]), theirs["time_utc"], float(theirs["irr_total_W_m2"]))
        for ours, theirs in zip(product, source, strict=True)
        if theirs["irr_total_W_m2"]
    ]

    assert len(filled) == 46
    assert all(0.0 <= value < 1400.0 for value in filled)
    assert all((stamp, value) == (source_stamp, source_value) for stamp, value, source_stamp, source_value in kept)


@needs_sources
def test_the_campus_weather_is_the_source_with_wind_in_metres_per_second() -> None:
    product = _rows(ROOT / "config/weak-grid-campus/data/weather_seoul_2023_1h.csv.gz")
    source = _rows(SOURCES / "weather/kr_seoul_2023_1h.csv.gz")

    assert len(product) == 8760
    for ours, theirs in zip(product, source, strict=True):
        assert (ours["time_utc"], float(ours["ambient_degc"])) == (theirs["time_utc"], float(theirs["temp_air_C"]))
        # one decimal is kept
        assert float(ours["wind_m_per_s"]) == pytest.approx(float(theirs["wind_speed_km_h"]) / 3.6, abs=0.0501)


@needs_sources
def test_the_campus_carbon_intensity_is_the_direct_one_in_kilograms() -> None:
    product = _rows(ROOT / "config/weak-grid-campus/data/carbon_korea_2023_1h.csv.gz")
    source = _rows(SOURCES / "carbon/kr_2023_1h.csv.gz")

    assert len(product) == 8760
    for ours, theirs in zip(product, source, strict=True):
        assert (ours["time_utc"], ours["estimated"]) == (theirs["time_utc"], theirs["estimated"])
        # four decimals are kept
        direct_g_per_kwh = float(theirs["carbon_direct_gCO2eq_per_kWh"])
        assert float(ours["kgco2e_per_kwh"]) == pytest.approx(direct_g_per_kwh / 1000.0, abs=0.0000501)


@needs_sources
def test_the_requests_of_the_twin_are_the_source_over_its_mean() -> None:
    product = [float(row["request_frac"]) for row in _rows(ROOT / "drivers/sim/data/inference_requests_1s.csv")]
    source = [float(row["requests"]) for row in _rows(SOURCES / "gpu/azure_llm_conversation_2023_1s.csv.gz")]

    assert product == pytest.approx([requests / fmean(source) for requests in source], abs=0.000501)


@needs_sources
def test_the_server_powers_of_the_twin_are_every_second_percentile_of_the_source() -> None:
    product = _rows(ROOT / "drivers/sim/data/server_power_cdf.csv")
    source = _rows(SOURCES / "gpu/acme_seren_power_cdf.csv")

    by_percentile = {float(row["percentile"]): float(row["server_8xA100_power_W"]) for row in source}

    assert [float(row["percentile"]) for row in product] == [2.0 * number for number in range(51)]
    for row in product:
        assert float(row["server_8xa100_w"]) == by_percentile[float(row["percentile"])]


@needs_sources
@pytest.mark.parametrize(("stretch", "minutes"), [("before", slice(0, 90)), ("after", slice(300, 400))])
def test_the_cluster_minutes_of_the_twin_are_both_ends_of_the_source_over_their_means(
    stretch: str, minutes: slice
) -> None:
    product = _rows(ROOT / "drivers/sim/data/cluster_minutes.csv")
    source = _rows(SOURCES / "gpu/emerald_256gpu_flex_event_2025-05_1min.csv")[minutes]

    fractions = [float(row["power_frac"]) for row in product if row["stretch"] == stretch]
    powers_kw = [float(row["cluster_power_kW"]) for row in source]

    assert fractions == pytest.approx([power_kw / fmean(powers_kw) for power_kw in powers_kw], abs=0.0000501)


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*/data/*.csv.gz")), ids=lambda path: path.name)
def test_a_series_covers_a_year_without_gaps(path: Path) -> None:
    stamps = [datetime.fromisoformat(row["time_utc"]) for row in _rows(path)]

    (step,) = {later - earlier for earlier, later in pairwise(stamps)}

    assert stamps[0].tzinfo is not None
    assert stamps[-1] + step - stamps[0] == timedelta(days=365)


def _rows(path: Path) -> list[Row]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _table_rows(readme: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the first cell of each row of a README's table with the other cells: what, from, licence."""
    for line in readme.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "file" and set(cells[0]) != {"-"}:
            yield cells[0], cells[1:]
