"""Input files as they are in real life: damaged, replaced while they are read, or gone."""

import gzip
import os
from datetime import timedelta
from pathlib import Path

import pytest

from ems.errors import ConfigError
from ems.model.forecast import ForecastQuality
from ems.model.site import Site
from ems.runtime.forecasts import Climate, choose_weather
from ems.runtime.inputs import load_climate, read_text, weather_file_source
from tests.control.scene import shipped
from tests.twin.settings import START, files_of

SITE: Site = shipped("edge-node")
CLIMATE: Climate = load_climate(files_of("edge-node"))
HEAD = "issued_utc,time_utc,ambient_degc,wind_m_per_s,poa_w_per_m2"


def issue_text(n_hours: int = 72) -> str:
    stamps = [(START + timedelta(hours=n)).isoformat() for n in range(n_hours)]
    return "\n".join([HEAD, *(f"{START.isoformat()},{stamp},20.0,3.0,100.0" for stamp in stamps)])


def damaged(text: str) -> bytes:
    """Return a gzip file whose compressed part is not what was written."""
    raw = bytearray(gzip.compress(text.encode(), mtime=0))
    raw[20:40] = bytes(byte ^ 0xFF for byte in raw[20:40])
    return bytes(raw)


@pytest.mark.parametrize(
    "raw",
    [damaged(issue_text()), gzip.compress(b"x" * 1000, mtime=0)[:-12], b"no gzip", gzip.compress(b"\xff\xfe", mtime=0)],
    ids=["damaged", "cut", "no gzip", "no text"],
)
def test_gzip_file_that_is_damaged_cut_or_no_text_is_refused_by_name(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "weather.csv.gz"
    file.write_bytes(raw)

    with pytest.raises(ConfigError, match=r"weather\.csv\.gz: cannot be read: ."):
        read_text(file)


def test_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    source = weather_file_source(file)

    none = source(START)
    file.write_text(issue_text(72), encoding="utf-8")
    first, again = source(START), source(START)
    file.write_text(issue_text(80), encoding="utf-8")
    longer = source(START)
    file.unlink()
    gone = source(START)

    assert none is None
    assert first is not None
    assert first is again
    assert longer is not None
    assert (len(first.hours), len(longer.hours)) == (72, 80)
    assert gone is None


@pytest.mark.parametrize(
    "text",
    [
        HEAD + f"\n{'1' * 200_000},x,1,1,1",
        issue_text().replace(START.isoformat(), "0001-01-01T00:00:00+09:00"),
        issue_text(1).replace("T", "T\x00"),
        HEAD,
        "",
    ],
)
def test_file_that_is_no_forecast_degrades_to_the_typical_year_at_every_plan(text: str, tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    file.write_text(text, encoding="utf-8")
    source = weather_file_source(file)

    for _ in range(2):
        weather, trouble = choose_weather(SITE, CLIMATE, source, START)

        assert weather.quality is ForecastQuality.CLIMATOLOGY
        assert trouble is not None
        assert "cannot be read" in trouble
        assert str(file) in trouble


def test_hours_at_the_end_of_the_calendar_are_no_forecast_of_now(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    file.write_text(f"{HEAD}\n{START.isoformat()},9999-12-31T23:00:00Z,20.0,3.0,100.0", encoding="utf-8")

    weather, trouble = choose_weather(SITE, CLIMATE, weather_file_source(file), START)

    assert weather.quality is ForecastQuality.CLIMATOLOGY
    assert trouble is not None


def test_damaged_then_repaired_file_is_used_though_size_and_time_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "weather.csv"
    file.write_text(issue_text().replace("20.0", "nan "), encoding="utf-8")
    stamp = file.stat().st_mtime_ns
    source = weather_file_source(file)
    with pytest.raises(ConfigError, match="nan"):
        source(START)

    file.write_text(issue_text(), encoding="utf-8")
    os.utime(file, ns=(stamp, stamp))

    assert source(START) is not None


@pytest.mark.parametrize("place", ["directory", "parent is a file", "name too long"])
def test_place_where_no_file_can_be_degrades_with_a_reason(place: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("", encoding="utf-8")
    file = {
        "directory": tmp_path,
        "parent is a file": tmp_path / "plain" / "weather.csv",
        "name too long": tmp_path / ("w" * 300),
    }[place]

    weather, trouble = choose_weather(SITE, CLIMATE, weather_file_source(file), START)

    assert weather.quality is ForecastQuality.CLIMATOLOGY
    assert trouble is not None
    assert "cannot be read" in trouble
