import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ems.model import units

FIGURES = settings(derandomize=True, deadline=None)
figure = st.floats(-1e6, 1e6)


@FIGURES
@given(value=figure)
def test_hours_and_seconds_undo_each_other(value: float) -> None:
    assert units.seconds(units.hours(value)) == pytest.approx(value)


@FIGURES
@given(value=figure)
def test_percent_and_fraction_undo_each_other(value: float) -> None:
    assert units.pct(units.frac(value)) == pytest.approx(value)


@FIGURES
@given(power_kw=figure, duration_s=st.floats(0.0, 1e6))
def test_energy_keeps_the_sign_of_power(power_kw: float, duration_s: float) -> None:
    energy_kwh = units.energy_kwh(power_kw, duration_s)

    assert energy_kwh * power_kw >= 0.0
    assert units.energy_kwh(-power_kw, duration_s) == -energy_kwh


def test_a_quarter_of_a_kilowatt_is_a_quarter_of_a_kilowatt_hour() -> None:
    assert units.energy_kwh(1.0, 900.0) == 0.25
