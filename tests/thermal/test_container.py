"""Container temperature: figures that a heat balance by hand gives."""

import pytest

from ems.thermal.container import cell_path_degc


def path(start_degc: float, kw: float, ambient_degc: float, *hours: float, kwh: float = 5000.0) -> tuple[float, ...]:
    n = len(hours)
    return cell_path_degc(
        start_degc, container_kwh=kwh, container_kw=(kw,) * n, ambient_degc=(ambient_degc,) * n, duration_h=hours
    )


def test_idle_container_cools_slowly_on_a_cold_night() -> None:
    # 25 to about 21 degC in 12 h and 18 degC in 24 h at -10 degC
    assert path(25.0, 0.0, -10.0, 12.0, 12.0) == pytest.approx((25.0, 21.3, 18.1), abs=0.1)


def test_full_power_of_two_hours_heats_faster_than_the_chiller_cools() -> None:
    # 70.6 kW of heat against 50 kW: 20.6 kW over 2 h in 8.7 kWh/K are 4.7 K
    assert path(28.0, 2500.0, 28.0, 2.0)[-1] == pytest.approx(28.0 + 20.6 * 2.0 / 8.7, abs=0.1)


def test_half_power_is_held_by_the_chiller() -> None:
    assert path(28.0, 1250.0, 45.0, 3.0)[-1] == pytest.approx(28.0)


def test_hot_container_at_rest_is_cooled_to_the_held_temperature_and_no_further() -> None:
    # 50 kW for half an hour take 25 kWh of heat out: 2.9 K; after some hours it is held
    assert path(40.0, 0.0, 30.0, 0.5, 10.0) == pytest.approx((40.0, 40.0 - 25.0 / 8.7, 28.0), abs=0.1)


def test_smaller_container_at_the_same_share_of_its_rating_heats_alike() -> None:
    assert path(28.0, 1250.0, 28.0, 2.0, kwh=2500.0) == pytest.approx(path(28.0, 2500.0, 28.0, 2.0))


def test_direction_of_power_does_not_matter() -> None:
    assert path(20.0, -2000.0, 10.0, 1.0) == path(20.0, 2000.0, 10.0, 1.0)
